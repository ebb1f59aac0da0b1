"""`throughtime update`: a model learns from later rows, and its directory is replaced."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.forecaster import read_fresh_table
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.output import print_result
from throughtime.data.series.panel import format_date
from throughtime.inference.forecasting import forecast_log
from throughtime.io import directory

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime import Forecaster
    from throughtime.app.jobs.requests import ModelRequest
    from throughtime.tasks.forecasting.monitoring.row_changes import RowChanges


def run(request: ModelRequest, budget: str | None, *, overwrite: bool) -> None:
    """Run the command.

    Args:
        request: names the directory to write, that of the model if None.
        budget: of time for learning.
        overwrite: whether another directory may be replaced.

    Raises:
        InputError: for data, models and directories that cannot be used.
    """
    started, console = time.monotonic(), ConsoleOutput()
    forecaster = throughtime.load(request.model)
    settings = {"budget": forecaster.budget}
    if budget is not None:
        with located_errors():
            forecaster.set_params(budget=budget).check_params()
    table = read_fresh_table(forecaster, request)
    console.say(*table.notes)
    target = request.model if request.out is None else request.out
    with located_errors(request.data, ()), console.progress("Update") as callback:
        forecaster.update(table.frame, callbacks=[callback])
    forecaster.set_params(**settings)
    changes = forecaster.update_
    assert changes is not None
    if changes or request.out is not None:
        _save(forecaster, request.model, target, overwrite=overwrite)
    result = {"model": str(target), **changes_to_json(changes), "seconds": round(time.monotonic() - started, 2)}

    def show() -> None:
        for sentence in changes.sentences():
            console.show(sentence)
        console.show(f"\nModel  {target}")

    print_result(result, show, as_json=request.as_json)


def _save(forecaster: Forecaster, model: Path, target: Path, *, overwrite: bool) -> None:
    """Write a model, with forecasts that others have logged meanwhile."""
    with directory.locked(model):
        forecaster.forecast_log_ = forecast_log.merge(directory.read_forecasts(model), forecaster.forecast_log_)
        forecaster.save(target, overwrite=overwrite or target == model)


def changes_to_json(changes: RowChanges) -> dict[str, Any]:
    """Return what was new by name."""
    return {
        "changed": bool(changes),
        "rows": changes.rows,
        "series": [str(name) for name in changes.series],
        "first": None if changes.first is None else format_date(changes.first),
        "last": None if changes.last is None else format_date(changes.last),
        "revised": changes.revised,
        "notes": changes.sentences(),
    }
