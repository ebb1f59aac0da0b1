"""Forecasting: one recurrent network for all series of a frame."""

from throughtime._core.errors import requires

with requires("forecast", "Forecaster"):
    from throughtime.tasks.forecasting.estimator import Forecaster as Forecaster
    from throughtime.tasks.forecasting.evaluation.backtest import Backtest as Backtest
    from throughtime.tasks.forecasting.evaluation.comparison import Comparison as Comparison
    from throughtime.tasks.forecasting.evaluation.comparison import compare as compare
    from throughtime.tasks.forecasting.presets import Preset as Preset
    from throughtime.tasks.forecasting.search.tuning import Tuning as Tuning
    from throughtime.tasks.forecasting.search.tuning import tune as tune
