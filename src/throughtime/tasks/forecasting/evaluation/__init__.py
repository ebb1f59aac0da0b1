"""Evaluation of forecasts: backtests, baselines, external models, metrics, skill and leaderboards."""
