"""Forecasting around the network: series to windows, naive and short-series forecasts, intervals, horizons in turn."""
