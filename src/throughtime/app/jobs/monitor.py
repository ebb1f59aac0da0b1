"""`throughtime monitor`: the forecasts that were made against what came, as tables, JSON or CSV, and an exit code."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table as RichTable

import throughtime
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.forecaster import read_fresh_table
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.output import frame_file, print_result, write_output
from throughtime.app.scores import format_score
from throughtime.data.series.panel import format_date, join_names

if TYPE_CHECKING:
    from throughtime.app.jobs.requests import ModelRequest
    from throughtime.tasks.forecasting.monitoring.monitor import ForecastVerdict, MonitorResult, Score

DRIFT = 3
"""Exit code where the forecasts have drifted."""

_MAX_ROWS = 10  # of the tables by series and by step


def run(request: ModelRequest, false_alarm_rate: float) -> int:
    """Run the command, and return the exit code: 0, or 3 where there is drift.

    Args:
        request: names a file for the forecasts and their values, or none.
        false_alarm_rate: probability of a false alarm within 52 forecasts, at most.

    Raises:
        InputError: for data and models that cannot be used.
    """
    console, forecaster = ConsoleOutput(), throughtime.load(request.model)
    table = read_fresh_table(forecaster, request)
    console.say(*table.notes)
    with located_errors(request.data, {"false_alarm_rate"}):
        result = forecaster.monitor(table.frame, false_alarm_rate=false_alarm_rate)
    if request.out is not None and result.forecasts is not None:
        write_output(request.out, frame_file(result.forecasts))
        console.say(f"Forecasts: {request.out}")
    print_result(
        {"model": str(request.model), **monitor_to_json(result)},
        lambda: show_monitor(console, result),
        as_json=request.as_json,
    )
    return DRIFT if result.drift else 0


def show_monitor(console: ConsoleOutput, result: MonitorResult) -> None:
    """Print tables by forecast, series and step, and the verdict."""
    if result.by_forecast:
        title = f"By forecast, up to the next one; drift from evidence {result.threshold:,.0f} on"
        console.table(_forecast_table(title, result.by_forecast))
        ranked = [(str(name), score) for name, score in result.by_series[:_MAX_ROWS]]
        console.table(_score_table("By series, the worst first", "series", ranked))
        steps = [(str(i + 1), score) for i, score in enumerate(result.by_step)]
        stride = -(-len(steps) // _MAX_ROWS)
        console.table(_score_table("By step", "step", steps[::stride]))
    for note in result.notes:
        console.show(note)
    console.show(result.verdict, style="bold")
    console.show(result.advice)


def _forecast_table(title: str, verdicts: list[ForecastVerdict]) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, title=title)
    for column in ("first step", "steps", "MAE", "× held-out", "in 80 %", "evidence", "verdict"):
        table.add_column(column, justify="left" if column in ("first step", "verdict") else "right")
    for verdict in verdicts:
        named = f": {join_names(verdict.series)}" if verdict.series else ""
        mae, _, ratio, coverage = _cells(verdict.score)
        figures = (str(verdict.steps), mae, ratio, coverage, format_score(verdict.evidence))
        table.add_row(format_date(verdict.start), *figures, f"{verdict.state}{named}")
    return table


def _score_table(title: str, name: str, rows: list[tuple[str, Score]]) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, title=title)
    for column in (name, "values", "MAE", "bias", "× held-out", "in 80 %"):
        table.add_column(column, justify="left" if column == name else "right")
    for label, score in rows:
        table.add_row(label, f"{score.count:,}", *_cells(score))
    return table


def _cells(score: Score) -> tuple[str, ...]:
    """Return the mean error, its bias, its ratio to the held-out ones, and the coverage."""
    figures = (score.mae, score.bias, score.expected_ratio)
    return (*(format_score(value) for value in figures), f"{score.coverage:.0%}" if score.count else "–")


def monitor_to_json(result: MonitorResult) -> dict[str, Any]:
    """Return all figures by name."""
    return {
        "drift": result.drift,
        "verdict": result.verdict,
        "advice": result.advice,
        "false_alarm_rate": result.false_alarm_rate,
        "threshold": result.threshold,
        **asdict(result.total),
        "by_forecast": [
            {
                "start": format_date(v.start),
                "steps": v.steps,
                **asdict(v.score),
                "evidence": v.evidence,
                "state": v.state,
                "series": [str(name) for name in v.series],
            }
            for v in result.by_forecast
        ],
        "by_series": [{"unique_id": str(name), **asdict(score)} for name, score in result.by_series],
        "by_step": [{"step": i + 1, **asdict(score)} for i, score in enumerate(result.by_step)],
        "notes": result.notes,
    }
