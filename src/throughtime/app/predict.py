"""`throughtime predict`: forecasts from a model that was trained before, for fresh rows."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime._errors import InputError
from throughtime.app.learn import print_json, write_whole
from throughtime.app.places import check_free, model_directory, read_run
from throughtime.app.screen import Screen
from throughtime.app.tables import read_table, with_future, write_csv
from throughtime.data.parquet import ParquetSeries

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime import Forecaster
    from throughtime.app.columns import Columns
    from throughtime.app.tables import Table

_STDOUT = "-"


def predict(
    model: Path,
    data: Path,
    columns: Columns,
    future: Path | None,
    out: Path,
    *,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Run the job; columns that are not given are those of the training, where that is known.

    Raises:
        InputError: for whatever a user can mend.
    """
    check_free(out, overwrite=overwrite)
    directory = model_directory(model)
    screen = Screen()
    forecaster = throughtime.load(directory)
    table = fresh_table(forecaster, directory, data, columns, sample=1)  # of a folder the columns alone are of use
    if table.source is not None:
        _predict_all(forecaster, directory, table, future, out, screen, as_json=as_json)
        return
    table = table if future is None else with_future(table, future)
    screen.say(*table.notes)
    try:
        forecast = forecaster.predict(table.frame)
    except InputError as error:
        raise InputError(f"{data}: {error}") from error
    text = io.StringIO()
    write_csv(forecast, text)
    if str(out) != _STDOUT:
        write_whole(out, text.getvalue())
        screen.say(f"Forecast: {out}")
    if as_json:
        rows = json.loads(forecast.with_columns(forecast["ds"].cast(str)).write_json())
        result: dict[str, Any] = {
            "model": str(directory),
            "series": forecast["unique_id"].n_unique(),
            "horizon": forecaster.horizon,
            "forecast": rows if str(out) == _STDOUT else str(out),
        }
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    elif str(out) == _STDOUT:
        sys.stdout.write(text.getvalue())


def _predict_all(
    forecaster: Forecaster,
    directory: Path,
    table: Table,
    future: Path | None,
    out: Path,
    screen: Screen,
    *,
    as_json: bool,
) -> None:
    """Forecast all series of a folder, into a Parquet file."""
    if out.suffix != ".parquet":
        raise InputError(f"--out: expected a Parquet file for forecasts of a folder, such as all.parquet, got {out}")
    if future is not None:
        raise InputError("--future-data: a folder tells of the future in rows of its own, with an empty target")
    screen.say(*table.notes[:-1])
    assert table.source is not None
    with screen.counting("Forecast", len(table.source)) as told:
        count = forecaster.predict_parquet(table.source, out, overwrite=True, told=told)
    screen.say(f"Forecast: {out}")
    if as_json:
        print_json({"model": str(directory), "series": count, "horizon": forecaster.horizon, "forecast": str(out)})


def fresh_table(
    forecaster: Forecaster, directory: Path, data: Path, columns: Columns, *, sample: int = ParquetSeries.sample
) -> Table:
    """Fresh rows for a model, with the covariates that it reads and the columns of its training.

    Raises:
        InputError: for whatever cannot be used.
    """
    names = () if forecaster.covariates is None else forecaster.covariates.names
    return read_table(data, replace(remembered(columns, read_run(directory)), beside=names), sample=sample)


def remembered(columns: Columns, run: dict[str, Any]) -> Columns:
    """The columns that were given, completed by those of the training."""
    known = run.get("columns")
    if not isinstance(known, dict):
        return columns
    return replace(columns, **{n: getattr(columns, n) or known.get(n) for n in ("time", "target", "series")})
