"""`throughtime train forecast`, and what a trained forecaster can do with fresh rows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime import Forecaster
from throughtime._errors import InputError
from throughtime.app import learn
from throughtime.app.backtest import as_object, show
from throughtime.app.columns import Columns
from throughtime.app.forecast import forecast
from throughtime.app.places import read_run
from throughtime.app.reading import READING, ReadOptions, reading_options
from throughtime.app.screen import Screen
from throughtime.app.table_format import TableFormat
from throughtime.app.tables import as_rows, read_table, with_future, with_series_columns, write_csv
from throughtime.data.parquet import ParquetSeries

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from throughtime.app.tables import Table
    from throughtime.app.train import Job, Order

OPTIONS = ("horizon", "time", "target", "series", *READING, "future_data", "ended")
_MOST_NAMED = 5
_COLUMNS = ("time", "target", "series")
_SETTINGS = [name for name in Forecaster(1).get_params() if name != "covariates"]


def train(order: Order) -> int:
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
    forecaster = learn.estimator_of(Forecaster, settings, _SETTINGS)
    time, target, series = map(order.options.get, _COLUMNS)
    table = read_table(order.data, Columns(time, target, series), ReadOptions.of(**reading_options(order.options)))
    return forecast(table, forecaster, order.place, as_json=order.as_json)


def predict(job: Job) -> None:
    """Forecast what follows fresh rows; columns that are not given are those of the training, where that is known.

    Raises:
        InputError: for whatever a user can mend.
    """
    screen = Screen()
    forecaster = throughtime.load(job.model)
    if "ended" in job.options:
        forecaster.set_params(ended=job.options["ended"])
        _check_settings(forecaster)
    table = fresh_table(forecaster, job.model, job.data, job.options, sample=1)  # of a folder the columns alone count
    if table.source is not None:
        _predict_all(forecaster, table, job, screen)
        return
    future, reading = job.options.get("future_data"), ReadOptions.of(**reading_options(job.options))
    table = table if future is None else with_future(table, future, reading)
    screen.say(*table.notes)
    try:
        found = forecaster.predict(table.frame)
    except InputError as error:
        raise InputError(f"{job.data}: {error}") from error
    screen.say(*_new_series(forecaster, found["unique_id"]))
    found = with_series_columns(found, table.format)
    text = io.StringIO()
    write_csv(found, text)
    size = {"series": found["unique_id"].n_unique(), "horizon": forecaster.horizon}
    learn.deliver(job, text.getvalue(), screen, "forecast", as_rows(found), size)


def _new_series(forecaster: Forecaster, ids: pl.Series) -> list[str]:
    """Return a note on series that training has not seen, which may be misspelt names of others."""
    known = set(forecaster.series_)
    new = [str(name) for name in ids.unique(maintain_order=True) if name not in known]
    more = f" and {len(new) - _MOST_NAMED} more" if len(new) > _MOST_NAMED else ""
    return [f"Series that training has not seen: {', '.join(new[:_MOST_NAMED])}{more}."] if new else []


def _check_settings(forecaster: Forecaster) -> None:
    try:
        forecaster.check_settings()
    except InputError as error:
        raise InputError(learn.as_option(str(error))) from error


def evaluate(job: Job) -> None:
    """Score a forecaster as it is on rows behind those that it has learned from.

    Raises:
        InputError: for whatever a user can mend.
    """
    forecaster = throughtime.load(job.model)
    table = fresh_table(forecaster, job.model, job.data, job.options)
    screen = Screen()
    screen.say(*table.notes)
    try:
        found = forecaster.evaluate(table.frame)
    except InputError as error:
        raise InputError(f"{job.data}: {error}") from error
    if job.as_json:
        learn.print_json({"model": str(job.model), **as_object(found)})
    else:
        show(screen, found, forecaster.cell)


def _predict_all(forecaster: Forecaster, table: Table, job: Job, screen: Screen) -> None:
    """Forecast all series of a folder, into a Parquet file."""
    if job.out is None or job.out.suffix != ".parquet":
        raise InputError(
            f"--out: expected a Parquet file for forecasts of a folder, such as all.parquet, got {job.out}"
        )
    if "future_data" in job.options:
        raise InputError("--future-data: a folder tells of the future in rows of its own, with an empty target")
    screen.say(*table.notes[:-1])
    assert table.source is not None
    with screen.counting("Forecast", len(table.source)) as told:
        count = forecaster.predict_parquet(table.source, job.out, overwrite=True, told=told)
    screen.say(f"Forecast: {job.out}")
    if job.as_json:
        size = {"series": count, "horizon": forecaster.horizon}
        learn.print_json({"model": str(job.model), **size, "forecast": str(job.out)})


def fresh_table(
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
    reading = ReadOptions.of(**reading_options(options))
    given = {name: options.get(name) for name in _COLUMNS}
    stored = forecaster.table_format_
    if stored is not None:
        form = TableFormat.from_json(stored)
        return read_table(data, Columns(**given, beside=names), reading, known=form, sample=sample)
    known = read_run(directory).get("columns")  # of models that store nothing of their table
    former = known if isinstance(known, dict) else {}
    columns = {name: own or former.get(name) for name, own in given.items()}
    return read_table(data, Columns(**columns, beside=names), reading, sample=sample)
