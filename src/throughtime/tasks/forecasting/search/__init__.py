"""Hyperparameter search over the settings of a forecaster."""
