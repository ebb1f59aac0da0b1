"""`throughtime tune`: a search for better settings, the forecast that it leads to, and whether it was worth it."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.table import Table as Rows

from throughtime import tune
from throughtime._core.errors import InputError
from throughtime.app import report
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.forecast import check_data, describe, locate_error, write_forecast
from throughtime.app.output import INTERRUPTED, command, format_csv, name_option, plain, print_json
from throughtime.app.scores import written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughtime import Forecaster
    from throughtime.app.run_directory import RunDirectory
    from throughtime.app.tables.table import Table
    from throughtime.tasks.forecasting import Tuning
    from throughtime.tasks.forecasting.search.trials import Trial

_OURS = "throughtime"
_BEST = 5  # trials that are shown in the end


@dataclass(frozen=True)
class Search:
    """What to search for.

    Attributes:
        trials: settings to try.
        windows: to judge by, None for as many as the data allow.
        names: of the settings to vary, () for the usual ones.
        storage: file of the trials; None for one beside the run's directory, which moves into it in the end.
        workers: where trials are done, as for `throughtime.tune`.
    """

    trials: int
    windows: int | None
    names: Sequence[str]
    storage: Path | None
    workers: str | None = None


def run(table: Table, forecaster: Forecaster, search: Search, place: RunDirectory, *, as_json: bool) -> None:
    """Run the job.

    Raises:
        InputError: for whatever a user can mend.
        typer.Exit: with 130 after Ctrl-C.
    """
    started, screen = time.monotonic(), ConsoleOutput()
    screen.say(*table.notes)
    check_data(table, forecaster)
    with ExitStack() as stack:
        storage = search.storage or stack.enter_context(place.sibling_file(".trials.db"))
        directory = stack.enter_context(place.building())
        found = _search(table, forecaster, search, storage, screen)
        found.forecaster.table_format_ = table.format.to_json()
        found.forecaster.save(directory / "model")
        write_forecast(found.forecaster, table, directory, screen)
        (directory / "trials.csv").write_text(_csv(found), encoding="utf-8")
        shown = {**forecaster.get_params(), **_chosen(found)}
        page = report.Run(found.forecaster, found.holdout[found.selected], table, settings=shown, command=command())
        (directory / "report.html").write_text(report.page(page), encoding="utf-8")
        result = {**_result(found, table), "seconds": round(time.monotonic() - started, 2)}
        describe(directory, table, forecaster, result)
        if search.storage is None:
            os.replace(storage, directory / "trials.db")
    result = place.located(result)
    if as_json:
        print_json(result)
        return
    screen.table(_table(found))
    screen.show(found.verdict, style="bold")
    screen.show("\n" + "\n".join(f"{name.capitalize():9} {result[name]}" for name in ("forecast", "model", "report")))


def _search(table: Table, forecaster: Forecaster, search: Search, storage: Path, screen: ConsoleOutput) -> Tuning:
    """The search; Ctrl-C ends the command and leaves the finished trials."""
    options: dict[str, Any] = {"space": search.names} if search.names else {}

    def on_trial(trial: Trial) -> None:
        screen.say(f"Trial {trial.number + 1} of {search.trials}: MASE {written(trial.score)}, {_words(trial)}")

    try:
        with screen.progress("Tuning") as callback:
            given = (table.frame, forecaster, search.trials, search.windows)
            options |= {"storage": storage, "workers": search.workers}
            return tune(*given, **options, on_trial=on_trial, callbacks=[callback])
    except KeyboardInterrupt as error:
        screen.say(f"Interrupted: the finished trials are in {storage}, and the same command goes on with them.")
        raise typer.Exit(INTERRUPTED) from error
    except InputError as error:
        raise InputError(_with_option(str(error), table, forecaster)) from error


def _with_option(sentence: str, table: Table, forecaster: Forecaster) -> str:
    """What the search complains about is an option of the command line, or else the data."""
    name = sentence.partition(":")[0]
    return (
        name_option(sentence) if name in {"space", "storage", "trials"} else locate_error(sentence, table, forecaster)
    )


def _words(trial: Trial) -> str:
    given = "" if trial.number else " (as given)"
    settings = (f"{name} {written(v) if isinstance(v, float) else v}" for name, v in trial.settings.items())
    return ", ".join(settings).replace("lookback None", "lookback as found") + given


def _chosen(found: Tuning) -> dict[str, Any]:
    return found.best.settings if found.selected == "best" else found.trials[0].settings


def _result(found: Tuning, table: Table) -> dict[str, Any]:
    holdout = {name: plain(each.scores[_OURS]) for name, each in found.holdout.items()}
    return {
        "model": "model",
        "forecast": table.forecast,
        "report": "report.html",
        "trials": [_row(trial) for trial in found.trials],
        "best": _row(found.best),
        "windows": found.windows,
        "later": holdout,
        "kept": found.selected,
        "verdict": found.verdict,
    }


def _row(trial: Trial) -> dict[str, Any]:
    numbers = {"mase": plain(trial.score), "seconds": round(trial.seconds, 2)}
    return {"trial": trial.number + 1, **trial.settings, **numbers}


def _csv(found: Tuning) -> str:
    rows = [_row(trial) for trial in found.trials]
    return format_csv([*rows[0]], [[*row.values()] for row in rows])


def _table(found: Tuning) -> Rows:
    """The given settings and the best trials."""
    ordered = sorted(found.trials[1:], key=lambda trial: trial.score)[:_BEST]
    rows = Rows(box=box.SIMPLE_HEAD, title=f"Windows of the search: {found.windows}, and as many later ones")
    for name in ("trial", *found.trials[0].settings):
        rows.add_column(name)
    for name in ("MASE", "later MASE"):
        rows.add_column(name, justify="right")
    holdout = {(found.best if name == "best" else found.trials[0]).number: each for name, each in found.holdout.items()}
    for trial in (found.trials[0], *ordered):
        cells = [
            written(v) if isinstance(v, float) else "as found" if v is None else str(v) for v in trial.settings.values()
        ]
        seen = written(holdout[trial.number].scores[_OURS]["mase"]) if trial.number in holdout else ""
        rows.add_row(str(trial.number + 1) if trial.number else "as given", *cells, written(trial.score), seen)
    return rows
