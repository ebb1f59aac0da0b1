"""`throughtime backtest`: how forecasts would have done in the past, beside the simple ones, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table as Rows

from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.forecast import check_against, locate_error
from throughtime.app.output import print_json
from throughtime.app.scores import describe_mase_unit, intervals, label, written
from throughtime.app.tables.table import write_csv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughtime import Forecaster
    from throughtime.app.tables.table import Table
    from throughtime.tasks.forecasting import Backtest

_MOST_ROWS = 10  # series and steps that are shown


def backtest(
    table: Table,
    forecaster: Forecaster,
    windows: int | None,
    step: int | None,
    out: Path | None,
    *,
    refit: bool,
    against: Sequence[str],
    workers: str | None,
    as_json: bool,
) -> None:
    """Run the job: a table, or one JSON object, and the forecasts into `out` where that is given.

    Raises:
        InputError: for whatever a user can mend.
    """
    screen = ConsoleOutput()
    screen.say(*table.notes)
    check_against(against)
    options = {"refit": refit, "against": against, "workers": workers}
    try:
        with screen.progress("Backtest") as callback:
            found = forecaster.backtest(table.frame, windows, step, **options, callbacks=[callback])
    except InputError as error:
        raise InputError(locate_error(str(error), table, forecaster)) from error
    if out is not None:
        write_csv(found.forecasts, out)
    if as_json:
        print_json({**as_object(found), "forecasts": None if out is None else str(out)})
        return
    show(screen, found, forecaster.cell)
    if out is not None:
        screen.show(f"\nForecasts  {out}")


def show(screen: ConsoleOutput, found: Backtest, cell: str) -> None:
    """Print all scores as tables, and what to think of them."""
    screen.scores(found, cell)
    screen.table(_steps(found, cell))
    if len(found.by_series) > 1:
        screen.table(_series(found))
    screen.show(intervals(found))
    screen.show(f"MASE divides by {describe_mase_unit(found)}.")
    screen.show(f"{found.verdict} Skill against {label(found.skill.against, '')}: {found.skill}.", style="bold")


def _steps(found: Backtest, cell: str) -> Rows:
    """Errors by step of the horizon, thinned out."""
    count = len(found.by_step["throughtime"])
    shown = sorted({round(i * (count - 1) / max(min(count, _MOST_ROWS) - 1, 1)) for i in range(min(count, _MOST_ROWS))})
    rows = Rows(box=box.SIMPLE_HEAD, title="Error by step, in units of MASE")
    rows.add_column("step")
    methods = ("throughtime", found.skill.against)
    for method in methods:
        rows.add_column(label(method, cell), justify="right")
    for step in shown:
        rows.add_row(str(step + 1), *(written(found.by_step[method][step]) for method in methods))
    return rows


def _series(found: Backtest) -> Rows:
    """The series with the largest errors."""
    rows = Rows(box=box.SIMPLE_HEAD, title=f"MASE by series, the worst {min(_MOST_ROWS, len(found.by_series))} first")
    rows.add_column("series")
    for method in ("network", label(found.skill.against, "")):
        rows.add_column(method, justify="right")
    for name, errors in found.by_series[:_MOST_ROWS]:
        rows.add_row(str(name), written(errors["throughtime"]), written(errors[found.skill.against]))
    return rows


def as_object(found: Backtest) -> dict[str, Any]:
    """All scores by name, for JSON."""
    return {
        "windows": found.windows,
        "mase_lag": found.mase_lag,
        "season": found.season,
        "scores": found.scores,
        "by_step": found.by_step,
        "by_series": [{"unique_id": name, **errors} for name, errors in found.by_series],
        "skill": vars(found.skill),
        "coverage": {str(level): share for level, share in found.coverage.items()},
        "msis": {str(level): score for level, score in found.msis.items()},
        "pinball": {f"{share:g}": loss for share, loss in found.pinball.items()},
        "crps": found.crps,
        "verdict": found.verdict,
    }
