"""A forecaster as one module of operators, from raw series to forecasts in their units, for other runtimes."""
