"""`throughtime train forecast`, and `predict` and `evaluate` for a trained forecaster."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import throughtime
from throughtime import Forecaster
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs import forecast
from throughtime.app.jobs.backtest import backtest_to_json, show_backtest
from throughtime.app.jobs.delivery import deliver_predictions, deliver_scores
from throughtime.app.jobs.forecast_logging import predict_and_log
from throughtime.app.jobs.runner import build_estimator
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.output import format_frame, print_json, to_records
from throughtime.app.run_directory import read_run_record
from throughtime.app.tables.column_selection import Columns
from throughtime.app.tables.read_options import READ_OPTION_NAMES, ReadOptions, select_read_options
from throughtime.app.tables.series_names import add_series_columns
from throughtime.app.tables.table import append_future, read_table
from throughtime.app.tables.table_format import TableFormat
from throughtime.data.series.parquet import ParquetSeries

if TYPE_CHECKING:
    import polars as pl

    from throughtime.app.jobs.requests import ModelRequest, TrainRequest
    from throughtime.app.jobs.runner import Training
    from throughtime.app.tables.table import Table

OPTIONS = ("horizon", "time", "target", "series", *READ_OPTION_NAMES, "future_data", "ended")
_MAX_NAMED = 5
_COLUMNS = ("time", "target", "series")
_SETTINGS = [name for name in Forecaster(1).get_params() if name != "covariates"]


def prepare(request: TrainRequest, console: ConsoleOutput) -> Training:
    """Read the data, and return the steps of the training, which are those of `throughtime forecast`.

    Raises:
        InputError: for data and settings that cannot be used.
    """
    if request.test is not None:
        raise InputError(
            "--test: a forecast is tested on the end of DATA; for later rows there is throughtime evaluate"
        )
    settings = {"horizon": request.options.get("horizon"), **request.settings}
    if settings["horizon"] is None:
        raise InputError("--horizon: set the number of steps to forecast, such as --horizon 24")
    forecaster = build_estimator(Forecaster, settings, _SETTINGS)
    time, target, series = map(request.options.get, _COLUMNS)
    options = ReadOptions.of(**select_read_options(request.options))
    table = read_table(request.data, Columns(time, target, series), options)
    return forecast.prepare(table, forecaster, console)


def predict(request: ModelRequest) -> None:
    """Forecast what follows fresh rows; columns that are not named are those of the training.

    Raises:
        InputError: for data and options that cannot be used.
    """
    forecaster, console = throughtime.load(request.model), ConsoleOutput()
    if "ended" in request.options:
        forecaster.set_params(ended=request.options["ended"])
        with located_errors():
            forecaster.check_params()
    table = read_fresh_table(forecaster, request, sample=1)  # only the columns of a folder are needed
    if table.source is not None:
        _predict_folder(forecaster, table, request, console)
        return
    future, reading = request.options.get("future_data"), ReadOptions.of(**select_read_options(request.options))
    table = table if future is None else append_future(table, future, reading)
    console.say(*table.notes)
    with located_errors(request.data, ()):
        frame = predict_and_log(forecaster, request.model, table.frame)
    console.say(*_note_new_series(forecaster, frame["unique_id"]))
    frame = add_series_columns(frame, table.format)
    size = {"series": frame["unique_id"].n_unique(), "horizon": forecaster.horizon}
    deliver_predictions(request, "forecast", format_frame(frame), to_records(frame), size, console)


def evaluate(request: ModelRequest) -> None:
    """Print the scores of a forecaster on rows after those of its training.

    Raises:
        InputError: for data that cannot be used.
    """
    forecaster, console = throughtime.load(request.model), ConsoleOutput()
    table = read_fresh_table(forecaster, request)
    console.say(*table.notes)
    with located_errors(request.data, ()):
        evaluation = forecaster.evaluate(table.frame)
    deliver_scores(request, backtest_to_json(evaluation), partial(show_backtest, console, evaluation, forecaster.cell))


def _predict_folder(forecaster: Forecaster, table: Table, request: ModelRequest, console: ConsoleOutput) -> None:
    """Forecast all series of a folder, into a Parquet file."""
    if request.out is None or request.out.suffix != ".parquet":
        raise InputError(
            f"--out: expected a Parquet file for forecasts of a folder, such as all.parquet, got {request.out}"
        )
    if "future_data" in request.options:
        raise InputError("--future-data does not apply to a folder: add rows with an empty target to its files")
    console.say(*table.notes[:-1])
    assert table.source is not None
    with console.counting("Forecast", len(table.source)) as on_progress:
        count = forecaster.predict_parquet(table.source, request.out, overwrite=True, on_progress=on_progress)
    console.say(f"Forecast: {request.out}")
    if request.as_json:
        size = {"series": count, "horizon": forecaster.horizon}
        print_json({"model": str(request.model), **size, "forecast": str(request.out)})


def _note_new_series(forecaster: Forecaster, ids: pl.Series) -> list[str]:
    """Return a note on series that were not in the training, whose names may be misspelt."""
    trained = set(forecaster.series_)
    new = [str(name) for name in ids.unique(maintain_order=True) if name not in trained]
    more = f" and {len(new) - _MAX_NAMED} more" if len(new) > _MAX_NAMED else ""
    return [f"Series that were not in the training data: {', '.join(new[:_MAX_NAMED])}{more}."] if new else []


def read_fresh_table(forecaster: Forecaster, request: ModelRequest, *, sample: int = ParquetSeries.sample) -> Table:
    """Read fresh rows for a model, with its covariates and the columns of its training.

    Raises:
        InputError: for data and options that cannot be used.
    """
    covariates = () if forecaster.covariates is None else forecaster.covariates.names
    options = ReadOptions.of(**select_read_options(request.options))
    columns = {name: request.options.get(name) for name in _COLUMNS}
    stored = forecaster.table_format_
    if stored is not None:
        table_format = TableFormat.from_json(stored)
        requested = Columns(**columns, covariates=covariates)
        return read_table(request.data, requested, options, stored=table_format, sample=sample)
    former = read_run_record(request.model).get("columns")  # of models that store no table format
    former = former if isinstance(former, dict) else {}
    columns = {name: own or former.get(name) for name, own in columns.items()}
    return read_table(request.data, Columns(**columns, covariates=covariates), options, sample=sample)
