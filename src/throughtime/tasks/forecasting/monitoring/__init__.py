"""Monitoring: forecasts that were made against the values that came."""
