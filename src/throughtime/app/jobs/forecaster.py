"""`throughtime train forecast`, and what a trained forecaster can do with fresh rows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime import Forecaster
from throughtime._core.errors import InputError
from throughtime.app import output
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.backtest import as_object, show
from throughtime.app.jobs.forecast import forecast
from throughtime.app.run_directory import read_run_record
from throughtime.app.tables.columns import Columns
from throughtime.app.tables.read_options import READ_OPTION_NAMES, ReadOptions, select_read_options
from throughtime.app.tables.table import read_table, to_records, with_future, with_series_columns, write_csv
from throughtime.app.tables.table_format import TableFormat
from throughtime.data.series.parquet import ParquetSeries

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from throughtime.app.jobs.tasks import ModelRequest, TrainRequest
    from throughtime.app.tables.table import Table

OPTIONS = ("horizon", "time", "target", "series", *READ_OPTION_NAMES, "future_data", "ended")
_MOST_NAMED = 5
_COLUMNS = ("time", "target", "series")
_SETTINGS = [name for name in Forecaster(1).get_params() if name != "covariates"]


def train(order: TrainRequest) -> int:
    """The job of `throughtime forecast`, with any setting of the forecaster.

    Raises:
        InputError: for whatever a user can mend.
    """
    if order.test is not None:
        raise InputError(
            "--test: a forecast is judged by the end of DATA; for later rows there is throughtime evaluate"
        )
    settings = {"horizon": order.options.get("horizon"), **order.settings}
    if settings["horizon"] is None:
        raise InputError("--horizon: say how many steps to forecast, such as --horizon 24")
    forecaster = output.build_estimator(Forecaster, settings, _SETTINGS)
    time, target, series = map(order.options.get, _COLUMNS)
    table = read_table(order.data, Columns(time, target, series), ReadOptions.of(**select_read_options(order.options)))
    return forecast(table, forecaster, order.place, as_json=order.as_json)


def predict(request: ModelRequest) -> None:
    """Forecast what follows fresh rows; columns that are not given are those of the training, where that is known.

    Raises:
        InputError: for whatever a user can mend.
    """
    screen = ConsoleOutput()
    forecaster = throughtime.load(request.model)
    if "ended" in request.options:
        forecaster.set_params(ended=request.options["ended"])
        _check_settings(forecaster)
    table = read_fresh_table(
        forecaster, request.model, request.data, request.options, sample=1
    )  # of a folder the columns alone count
    if table.source is not None:
        _predict_all(forecaster, table, request, screen)
        return
    future, reading = request.options.get("future_data"), ReadOptions.of(**select_read_options(request.options))
    table = table if future is None else with_future(table, future, reading)
    screen.say(*table.notes)
    try:
        found = forecaster.predict(table.frame)
    except InputError as error:
        raise InputError(f"{request.data}: {error}") from error
    screen.say(*_new_series(forecaster, found["unique_id"]))
    found = with_series_columns(found, table.format)
    text = io.StringIO()
    write_csv(found, text)
    size = {"series": found["unique_id"].n_unique(), "horizon": forecaster.horizon}
    output.deliver(request, text.getvalue(), screen, "forecast", to_records(found), size)


def _new_series(forecaster: Forecaster, ids: pl.Series) -> list[str]:
    """Return a note on series that training has not seen, which may be misspelt names of others."""
    known = set(forecaster.series_)
    new = [str(name) for name in ids.unique(maintain_order=True) if name not in known]
    more = f" and {len(new) - _MOST_NAMED} more" if len(new) > _MOST_NAMED else ""
    return [f"Series that training has not seen: {', '.join(new[:_MOST_NAMED])}{more}."] if new else []


def _check_settings(forecaster: Forecaster) -> None:
    try:
        forecaster.check_params()
    except InputError as error:
        raise InputError(output.name_option(str(error))) from error


def evaluate(request: ModelRequest) -> None:
    """Score a forecaster as it is on rows behind those that it has learned from.

    Raises:
        InputError: for whatever a user can mend.
    """
    forecaster = throughtime.load(request.model)
    table = read_fresh_table(forecaster, request.model, request.data, request.options)
    screen = ConsoleOutput()
    screen.say(*table.notes)
    try:
        found = forecaster.evaluate(table.frame)
    except InputError as error:
        raise InputError(f"{request.data}: {error}") from error
    if request.as_json:
        output.print_json({"model": str(request.model), **as_object(found)})
    else:
        show(screen, found, forecaster.cell)


def _predict_all(forecaster: Forecaster, table: Table, request: ModelRequest, screen: ConsoleOutput) -> None:
    """Forecast all series of a folder, into a Parquet file."""
    if request.out is None or request.out.suffix != ".parquet":
        raise InputError(
            f"--out: expected a Parquet file for forecasts of a folder, such as all.parquet, got {request.out}"
        )
    if "future_data" in request.options:
        raise InputError("--future-data: a folder tells of the future in rows of its own, with an empty target")
    screen.say(*table.notes[:-1])
    assert table.source is not None
    with screen.counting("Forecast", len(table.source)) as on_progress:
        count = forecaster.predict_parquet(table.source, request.out, overwrite=True, on_progress=on_progress)
    screen.say(f"Forecast: {request.out}")
    if request.as_json:
        size = {"series": count, "horizon": forecaster.horizon}
        output.print_json({"model": str(request.model), **size, "forecast": str(request.out)})


def read_fresh_table(
    forecaster: Forecaster,
    directory: Path,
    data: Path,
    options: dict[str, Any],
    *,
    sample: int = ParquetSeries.sample,
) -> Table:
    """Fresh rows for a model, with the covariates that it reads and the columns of its training.

    Raises:
        InputError: for whatever cannot be used.
    """
    names = () if forecaster.covariates is None else forecaster.covariates.names
    reading = ReadOptions.of(**select_read_options(options))
    given = {name: options.get(name) for name in _COLUMNS}
    stored = forecaster.table_format_
    if stored is not None:
        form = TableFormat.from_json(stored)
        return read_table(data, Columns(**given, beside=names), reading, known=form, sample=sample)
    known = read_run_record(directory).get("columns")  # of models that store nothing of their table
    former = known if isinstance(known, dict) else {}
    columns = {name: own or former.get(name) for name, own in given.items()}
    return read_table(data, Columns(**columns, beside=names), reading, sample=sample)
