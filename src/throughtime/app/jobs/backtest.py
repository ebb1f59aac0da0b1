"""`throughtime backtest`: the scores of forecasts of past windows next to simple ones, and how certain they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table as RichTable

from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.forecast import setting_names
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.options import split_list
from throughtime.app.output import frame_file, print_result, write_output
from throughtime.app.scores import describe_intervals, describe_measures, format_score, method_label
from throughtime.tasks.forecasting.evaluation.external_models import check_external_models

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime import Forecaster
    from throughtime.app.options import WindowOptions
    from throughtime.app.tables.table import Table
    from throughtime.tasks.forecasting import Backtest

_MAX_ROWS = 10  # of the table by step


def run(table: Table, forecaster: Forecaster, options: WindowOptions, out: Path | None, *, as_json: bool) -> None:
    """Run the command: tables or one JSON object, and the forecasts into a file if `out` names one.

    Raises:
        InputError: for data, settings and files that cannot be used.
    """
    console = ConsoleOutput()
    console.say(*table.notes)
    with located_errors():
        check_external_models(split_list(options.against))
    with located_errors(table.path, setting_names(forecaster)), console.progress("Backtest") as callback:
        backtest = forecaster.backtest(table.frame, **options.settings(), callbacks=[callback])
    if out is not None:
        write_output(out, frame_file(backtest.forecasts))

    def show() -> None:
        show_backtest(console, backtest, ", ".join(table.format.targets))
        if out is not None:
            console.show(f"\nForecasts  {out}")

    forecasts = None if out is None else str(out)
    print_result({**backtest_to_json(backtest), "forecasts": forecasts}, show, as_json=as_json)


def show_backtest(console: ConsoleOutput, backtest: Backtest, unit: str) -> None:
    """Print all scores as tables, and the verdict; `unit` names the values of the series."""
    console.scores(backtest)
    console.table(_step_table(backtest))
    console.series_scores(backtest)
    console.show(describe_intervals(backtest))
    console.show(describe_measures(backtest, unit))
    reference = method_label(backtest.skill.against)
    console.show(f"{backtest.verdict} Skill against {reference}: {backtest.skill}.", style="bold")


def _step_table(backtest: Backtest) -> RichTable:
    """Return errors by step of the horizon, for some evenly spaced steps."""
    count = len(backtest.by_step["throughtime"])
    rows = min(count, _MAX_ROWS)
    steps = sorted({round(i * (count - 1) / max(rows - 1, 1)) for i in range(rows)})
    table = RichTable(box=box.SIMPLE_HEAD, title="Error by step, in units of MASE")
    table.add_column("step")
    methods = ("throughtime", backtest.skill.against)
    for method in methods:
        table.add_column(method_label(method), justify="right")
    for step in steps:
        table.add_row(str(step + 1), *(format_score(backtest.by_step[method][step]) for method in methods))
    return table


def backtest_to_json(backtest: Backtest) -> dict[str, Any]:
    """Return all scores by name."""
    return {
        "windows": backtest.windows,
        "mase_lag": backtest.mase_lag,
        "season": backtest.season,
        "headline": backtest.headline,
        "scores": backtest.scores,
        "by_step": backtest.by_step,
        "by_series": [{"unique_id": name, **scores} for name, scores in backtest.by_series],
        "skill": vars(backtest.skill),
        "coverage": {str(level): share for level, share in backtest.coverage.items()},
        "msis": {str(level): score for level, score in backtest.msis.items()},
        "pinball": {f"{quantile:g}": loss for quantile, loss in backtest.pinball.items()},
        "crps": backtest.crps,
        "network_shares": backtest.weights,
        "verdict": backtest.verdict,
    }
