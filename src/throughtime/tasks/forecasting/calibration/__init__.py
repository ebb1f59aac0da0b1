"""Calibration on held-out windows: the weight of the network, the width of intervals, forecasts of short series."""
