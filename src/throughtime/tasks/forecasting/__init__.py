"""Forecasting: one recurrent network for all series of a frame."""

from throughtime._errors import requires

with requires("forecast", "Forecaster"):
    from throughtime.tasks.forecasting.backtest import Backtest as Backtest
    from throughtime.tasks.forecasting.comparison import Comparison as Comparison
    from throughtime.tasks.forecasting.comparison import compare as compare
    from throughtime.tasks.forecasting.estimator import Forecaster as Forecaster
    from throughtime.tasks.forecasting.settings import Preset as Preset
    from throughtime.tasks.forecasting.tuning import Tuning as Tuning
    from throughtime.tasks.forecasting.tuning import tune as tune
