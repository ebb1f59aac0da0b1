"""`throughtime tune`: a search for better settings, the forecast with the best ones, and whether they are better."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.table import Table as RichTable

from throughtime import tune
from throughtime.app.jobs.forecast import (
    check_data,
    result_files,
    run_record,
    save_forecaster,
    scores_file,
    setting_names,
)
from throughtime.app.jobs.runner import INTERRUPTED, Outcome, Training, run_training
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.output import command_line, csv_file, finite, text_file
from throughtime.app.report.forecast import forecaster_page
from throughtime.app.report.forecast_run import ForecastRun
from throughtime.app.scores import format_score

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughtime import Forecaster
    from throughtime.app.console import ConsoleOutput
    from throughtime.app.run_directory import RunDirectory
    from throughtime.app.tables.table import Table
    from throughtime.tasks.forecasting import Tuning
    from throughtime.tasks.forecasting.search.trials import Trial

_OURS = "throughtime"
_MAX_TRIALS = 5  # in the table
_SEARCH_SETTINGS = {"space", "storage", "trials"}


@dataclass(frozen=True)
class Search:
    """What to search for.

    Attributes:
        trials: settings to try.
        windows: held-out windows of the search; None for as many as the data allow.
        names: settings to vary; () for the default ones.
        storage: file of the trials; None for a file next to the run's directory, which is moved into it at the end.
        workers: where trials run, as for `throughtime.tune`.
    """

    trials: int
    windows: int | None
    names: Sequence[str]
    storage: Path | None
    workers: str | None = None


def run(table: Table, forecaster: Forecaster, search: Search, directory: RunDirectory, *, as_json: bool) -> int:
    """Run the command, and return the exit code.

    Raises:
        InputError: for data, settings and files that cannot be used.
        typer.Exit: with code 130 after Ctrl-C.
    """
    with ExitStack() as stack:

        def prepare(console: ConsoleOutput) -> Training:
            console.say(*table.notes)
            check_data(table, forecaster)
            storage = search.storage or stack.enter_context(directory.sibling_file(".trials.db"))
            return _TuningSteps(table, forecaster, search, storage, console).training()

        return run_training(prepare, directory, as_json=as_json)


class _TuningSteps:
    """The steps of the command, and the result of the search."""

    def __init__(
        self, table: Table, forecaster: Forecaster, search: Search, storage: Path, console: ConsoleOutput
    ) -> None:
        self.table, self.forecaster, self.search, self.storage = table, forecaster, search, storage
        self.console = console
        self.result: Tuning | None = None

    def training(self) -> Training:
        return Training(
            fit=self._fit,
            is_fitted=lambda: self.result is not None,
            evaluate=self._evaluate,
            save=self._save,
            results=result_files(self.table),
            record=run_record(self.table, self.forecaster),
            kept="the best model so far and its forecast are",
        )

    def _fit(self) -> None:
        """Search; an interrupt ends the command and leaves the finished trials."""
        search, table = self.search, self.table
        options: dict[str, Any] = {"space": search.names} if search.names else {}
        options |= {"storage": self.storage, "workers": search.workers, "on_trial": self._report}
        settings = _SEARCH_SETTINGS | setting_names(self.forecaster)
        try:
            with located_errors(table.path, settings), self.console.progress("Tuning") as callback:
                self.result = tune(
                    table.frame, self.forecaster, search.trials, search.windows, **options, callbacks=[callback]
                )
        except KeyboardInterrupt as error:
            self.console.say(
                f"Interrupted: the finished trials are in {self.storage}; the same command continues with them."
            )
            raise typer.Exit(INTERRUPTED) from error

    def _report(self, trial: Trial) -> None:
        score = f"MASE {format_score(trial.score)}"
        self.console.say(f"Trial {trial.number + 1} of {self.search.trials}: {score}, {_describe_settings(trial)}")

    def _evaluate(self) -> Outcome:
        tuning = self.result
        assert tuning is not None
        backtest = tuning.holdout[tuning.selected]
        settings = {**self.forecaster.get_params(), **_selected_settings(tuning)}
        page = forecaster_page(ForecastRun(tuning.forecaster, backtest, self.table, settings, command_line()))
        records = [_record(trial) for trial in tuning.trials]
        trials = csv_file([*records[0]], [[*record.values()] for record in records])
        files = {"trials.csv": trials, "report.html": text_file(page), "scores.csv": scores_file(backtest)}
        if self.search.storage is None:
            files["trials.db"] = lambda path: os.replace(self.storage, path)

        def show(console: ConsoleOutput) -> None:
            console.table(_trial_table(tuning))
            console.show(tuning.verdict, style="bold")

        return Outcome(files, _result(tuning), show)

    def _save(self, directory: Path) -> None:
        assert self.result is not None
        save_forecaster(self.result.forecaster, self.table, directory, self.console)


def _describe_settings(trial: Trial) -> str:
    default = "" if trial.number else " (as given)"
    settings = (f"{name} {format_score(v) if isinstance(v, float) else v}" for name, v in trial.settings.items())
    return ", ".join(settings).replace("lookback None", "lookback inferred") + default


def _selected_settings(tuning: Tuning) -> dict[str, Any]:
    return tuning.best.settings if tuning.selected == "best" else tuning.trials[0].settings


def _result(tuning: Tuning) -> dict[str, Any]:
    return {
        "trials": [_record(trial) for trial in tuning.trials],
        "best": _record(tuning.best),
        "windows": tuning.windows,
        "later": {name: backtest.scores[_OURS] for name, backtest in tuning.holdout.items()},
        "kept": tuning.selected,
        "verdict": tuning.verdict,
    }


def _record(trial: Trial) -> dict[str, Any]:
    scores = {"mase": finite(trial.score), "seconds": round(trial.seconds, 2)}
    return {"trial": trial.number + 1, **trial.settings, **scores}


def _trial_table(tuning: Tuning) -> RichTable:
    """Return the given settings and the best trials."""
    ordered = sorted(tuning.trials[1:], key=lambda trial: trial.score)[:_MAX_TRIALS]
    table = RichTable(box=box.SIMPLE_HEAD, title=f"Windows of the search: {tuning.windows}, and as many later ones")
    for name in ("trial", *tuning.trials[0].settings):
        table.add_column(name)
    for name in ("MASE", "later MASE"):
        table.add_column(name, justify="right")
    later = {}
    for name, backtest in tuning.holdout.items():
        trial = tuning.best if name == "best" else tuning.trials[0]
        later[trial.number] = format_score(backtest.scores[_OURS]["mase"])
    for trial in (tuning.trials[0], *ordered):
        label = str(trial.number + 1) if trial.number else "as given"
        cells = map(_format_setting, trial.settings.values())
        table.add_row(label, *cells, format_score(trial.score), later.get(trial.number, ""))
    return table


def _format_setting(value: Any) -> str:
    if isinstance(value, float):
        return format_score(value)
    return "inferred" if value is None else str(value)
