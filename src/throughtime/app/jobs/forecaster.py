"""`throughtime train forecast`, and `predict` and `evaluate` for a trained forecaster.

`predict` runs without torch, whose import takes longer than the forecasts; what trains is imported where it is called.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import narwhals as nw

import throughtime
from throughtime import runtime
from throughtime._core.errors import InputError
from throughtime._core.param_checks import check_choice
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.delivery import deliver_predictions, deliver_scores
from throughtime.app.jobs.forecast_logging import predict_and_log
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.jobs.totals import forecast_totals
from throughtime.app.options import split_list
from throughtime.app.output import STDOUT, format_frame, hide_password, print_json, to_records
from throughtime.app.run_directory import read_run_record
from throughtime.app.tables.column_selection import Columns
from throughtime.app.tables.read_options import READ_OPTION_NAMES, ReadOptions, select_read_options
from throughtime.app.tables.results import write_table
from throughtime.app.tables.series_names import add_series_columns
from throughtime.app.tables.table import append_future, read_table
from throughtime.app.tables.table_format import TableFormat
from throughtime.app.tables.table_words import to_table_words
from throughtime.data.series.covariates import Covariates
from throughtime.data.series.frames import FrameTable
from throughtime.data.series.parquet import ParquetSeries
from throughtime.inference.forecasting.ended_series import ENDED_POLICIES
from throughtime.inference.forecasting.forecaster import ForecasterModel
from throughtime.io.directory import read_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from throughtime import Forecaster
    from throughtime.app.jobs.requests import ModelRequest, TrainRequest
    from throughtime.app.jobs.runner import Training
    from throughtime.app.tables.table import Table

OPTIONS = (
    "horizon",
    "time",
    "target",
    "series",
    *READ_OPTION_NAMES,
    "future_data",
    "ended",
    "group",
    "to",
    "totals",
    "overwrite",
)
_MAX_NAMED = 5
_COLUMNS = ("time", "target", "series")


def prepare(request: TrainRequest, console: ConsoleOutput) -> Training:
    """Read the data, and return the steps of the training, which are those of `throughtime forecast`.

    Raises:
        InputError: for data and settings that cannot be used.
    """
    from throughtime.app.jobs import forecast
    from throughtime.app.jobs.runner import build_estimator

    if request.test is not None:
        raise InputError(
            "--test: a forecast is tested on the end of DATA; for later rows there is throughtime evaluate"
        )
    settings = {"horizon": request.options.get("horizon"), **request.settings}
    if settings["horizon"] is None:
        raise InputError("--horizon: set the number of steps to forecast, such as --horizon 24")
    supported = [name for name in throughtime.Forecaster(1).get_params() if name != "covariates"]
    forecaster = build_estimator(throughtime.Forecaster, settings, supported)
    time, target, series = map(request.options.get, _COLUMNS)
    options = ReadOptions.of(**select_read_options(request.options))
    table = read_table(request.data, Columns(time, target, series), options)
    return forecast.prepare(table, forecaster, console)


def predict(request: ModelRequest) -> None:
    """Forecast what follows fresh rows; columns that are not named are those of the training.

    Raises:
        InputError: for data and options that cannot be used.
    """
    _check_places(request)
    model, console = _load(request), ConsoleOutput()
    names = Covariates(**(model.settings["covariates"] or {})).names
    table = _read_table(names, model.table_format, request, sample=1)  # only the columns of a folder are needed
    if table.source is not None:
        _predict_folder(table, request, console)
        return
    future, reading = request.options.get("future_data"), ReadOptions.of(**select_read_options(request.options))
    table = table if future is None else append_future(table, future, reading)
    console.say(*table.notes)
    with located_errors(request.data, ()):
        frame = predict_and_log(model, request.model, FrameTable(nw.from_native(table.frame, eager_only=True)))
    console.say(*_note_new_series(model.panel.ids, frame["unique_id"]))
    size = {"series": frame["unique_id"].n_unique(), "horizon": model.forecaster.plan.horizon}
    if _write_words(frame, table, request, size, console):
        return
    frame = add_series_columns(frame, table.format)
    deliver_predictions(request, "forecast", format_frame(frame), to_records(frame), size, console)


def _load(request: ModelRequest) -> ForecasterModel:
    """Return the model of a request, which forecasts without torch unless it is of before there were graphs.

    Raises:
        InputError: for a model that cannot be read, and an unknown policy for series that have ended.
    """
    config = read_config(request.model)
    if "graphs" in config:
        model = runtime.load(request.model)
    else:
        estimator = throughtime.load(request.model)
        forecaster, settings = estimator.model_.series_forecaster(), config["settings"]
        model = ForecasterModel(forecaster, estimator.panel_, estimator.kind_, settings, estimator.table_format_)
    if "ended" not in request.options:
        return model
    with located_errors():
        check_choice("ended", request.options["ended"], ENDED_POLICIES)
    return replace(model, settings={**model.settings, "ended": request.options["ended"]})


def _check_places(request: ModelRequest) -> None:
    """Check that there is a place for all that is asked for, and one only."""
    if "group" in request.options and "totals" not in request.options:
        raise InputError("--group: expected --totals with the file for the totals of the groups")
    if "to" in request.options and request.out is not None and str(request.out) != STDOUT:
        raise InputError(f"--to: expected one place for the forecast, got --out {request.out} too")


def _write_words(
    frame: pl.DataFrame, table: Table, request: ModelRequest, size: dict[str, int], console: ConsoleOutput
) -> bool:
    """Write a forecast and its totals in the words of the table; return whether that answers the request."""
    to, totals, overwrite = (request.options.get(name) for name in ("to", "totals", "overwrite"))
    if totals is not None:
        rows = forecast_totals(throughtime.load(request.model), frame, table.format, table.groups, table.frame)
        write_table(rows, totals, table.format, overwrite=bool(overwrite))
        console.say(f"Totals: {hide_password(totals)}")
    if to is None:
        return False
    write_table(to_table_words(frame, table.format), to, table.format, overwrite=bool(overwrite))
    console.say(f"Forecast: {hide_password(to)}")
    if request.as_json:
        print_json({"model": str(request.model), **size, "forecast": hide_password(to)})
    return True


def evaluate(request: ModelRequest) -> None:
    """Print the scores of a forecaster on rows after those of its training.

    Raises:
        InputError: for data that cannot be used.
    """
    from throughtime.app.jobs.backtest import backtest_to_json, show_backtest

    forecaster, console = throughtime.load(request.model), ConsoleOutput()
    table = read_fresh_table(forecaster, request)
    console.say(*table.notes)
    with located_errors(request.data, ()):
        evaluation = forecaster.evaluate(table.frame)
    deliver_scores(
        request,
        backtest_to_json(evaluation),
        partial(show_backtest, console, evaluation, ", ".join(table.format.targets)),
    )


def _predict_folder(table: Table, request: ModelRequest, console: ConsoleOutput) -> None:
    """Forecast all series of a folder, into a Parquet file."""
    if request.out is None or request.out.suffix != ".parquet":
        raise InputError(
            f"--out: expected a Parquet file for forecasts of a folder, such as all.parquet, got {request.out}"
        )
    for name in ("to", "totals"):
        if name in request.options:
            raise InputError(f"--{name} does not apply to a folder of Parquet files, whose forecast is one: use --out")
    if "future_data" in request.options:
        raise InputError("--future-data does not apply to a folder: add rows with an empty target to its files")
    console.say(*table.notes[:-1])
    forecaster = throughtime.load(request.model)
    forecaster.set_params(ended=request.options.get("ended", forecaster.ended))
    assert table.source is not None
    with console.counting("Forecast", len(table.source)) as on_progress:
        count = forecaster.predict_parquet(table.source, request.out, overwrite=True, on_progress=on_progress)
    console.say(f"Forecast: {request.out}")
    if request.as_json:
        size = {"series": count, "horizon": forecaster.horizon}
        print_json({"model": str(request.model), **size, "forecast": str(request.out)})


def _note_new_series(series: Sequence[Any], ids: pl.Series) -> list[str]:
    """Return a note on series that were not in the training, whose names may be misspelt."""
    trained = set(series)
    new = [str(name) for name in ids.unique(maintain_order=True) if name not in trained]
    more = f" and {len(new) - _MAX_NAMED} more" if len(new) > _MAX_NAMED else ""
    return [f"Series that were not in the training data: {', '.join(new[:_MAX_NAMED])}{more}."] if new else []


def read_fresh_table(forecaster: Forecaster, request: ModelRequest) -> Table:
    """Read fresh rows for a model, with its covariates and the columns of its training.

    Raises:
        InputError: for data and options that cannot be used.
    """
    names = () if forecaster.covariates is None else forecaster.covariates.names
    return _read_table(names, forecaster.table_format_, request)


def _read_table(
    covariates: tuple[str, ...],
    stored: dict[str, Any] | None,
    request: ModelRequest,
    *,
    sample: int = ParquetSeries.sample,
) -> Table:
    options = ReadOptions.of(**select_read_options(request.options))
    columns = {name: request.options.get(name) for name in _COLUMNS}
    groups = split_list(request.options.get("group"))
    if stored is not None:
        table_format = TableFormat.from_json(stored)
        requested = Columns(**columns, covariates=covariates)
        return read_table(request.data, requested, options, stored=table_format, groups=groups, sample=sample)
    former = read_run_record(request.model).get("columns")  # of models that store no table format
    former = former if isinstance(former, dict) else {}
    columns = {name: own or former.get(name) for name, own in columns.items()}
    return read_table(request.data, Columns(**columns, covariates=covariates), options, groups=groups, sample=sample)
