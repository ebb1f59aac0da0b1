"""`throughtime compare`: cells, decoders and presets over the same past windows, in one leaderboard."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table as RichTable

from throughtime import compare
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.forecast import setting_names
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.options import split_list
from throughtime.app.output import csv_file, finite, print_result, write_output
from throughtime.app.scores import format_score, measures, method_label
from throughtime.tasks.forecasting.evaluation.external_models import check_external_models

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughtime import Forecaster
    from throughtime.app.options import WindowOptions
    from throughtime.app.tables.table import Table
    from throughtime.tasks.forecasting import Comparison
    from throughtime.tasks.forecasting.evaluation.skill import Skill


def build_forecasters(
    forecaster: Forecaster, cells: Sequence[str], decoders: Sequence[str], presets: Sequence[str]
) -> dict[str, Forecaster]:
    """Return a forecaster for each cell, decoder and preset, named after what distinguishes them.

    Args:
        forecaster: with all other settings.
        cells: at least one.
        decoders: at least one.
        presets: at least one.

    Raises:
        InputError: for an empty list.
    """
    choices = {"cell": cells, "decoder": decoders, "preset": presets}
    for name, values in choices.items():
        if not values:
            raise InputError(f"--{name}: expected at least one, got none")
    varied = [name for name, values in choices.items() if len(values) > 1] or ["cell"]
    forecasters = {}
    for values in product(*map(dict.fromkeys, choices.values())):
        chosen = dict(zip(choices, values, strict=True))
        words = [chosen[name].upper() if name == "cell" else chosen[name] for name in varied]
        forecasters[" ".join(words)] = type(forecaster)(**{**forecaster.get_params(), **chosen})
    return forecasters


def run(
    table: Table,
    forecasters: dict[str, Forecaster],
    options: WindowOptions,
    out: Path | None,
    *,
    seeds: int,
    as_json: bool,
) -> None:
    """Run the command: a table or one JSON object, and the leaderboard into a file if `out` names one.

    Raises:
        InputError: for data, settings and files that cannot be used.
    """
    console = ConsoleOutput()
    console.say(*table.notes)
    with located_errors():
        check_external_models(split_list(options.against))
    settings = setting_names(next(iter(forecasters.values())))
    with located_errors(table.path, settings), console.progress("Comparison") as callback:
        comparison = compare(table.frame, forecasters, seeds=seeds, **options.settings(), callbacks=[callback])
    records = _records(comparison)
    if out is not None:
        write_output(out, csv_file([*records[0]], [[*record.values()] for record in records]))

    def show() -> None:
        console.table(_leaderboard(comparison))
        console.show(comparison.verdict, style="bold")
        if out is not None:
            console.show(f"\nLeaderboard  {out}")

    result = {"windows": comparison.windows, "seeds": comparison.seeds, "leaderboard": records}
    result |= {"best": comparison.best, "verdict": comparison.verdict, "out": None if out is None else str(out)}
    print_result(result, show, as_json=as_json)


def _records(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the leaderboard: names, scores, the spread over seeds, and how much lower the error of the best is."""
    records = []
    for name, score in comparison.scores.items():
        skill = comparison.skills.get(name)
        interval = [None] * 3 if skill is None else [skill.value, skill.low, skill.high]
        numbers = {**score, "mase_spread": comparison.spread.get(name)}
        numbers |= dict(zip(("best_saves", "best_saves_low", "best_saves_high"), interval, strict=True))
        records.append({"forecast": name, **finite(numbers)})
    return records


def _leaderboard(comparison: Comparison) -> RichTable:
    over = f", {comparison.seeds} seeds" if comparison.seeds > 1 else ""
    table = RichTable(box=box.SIMPLE_HEAD, title=f"Held-out windows: {comparison.windows}{over}")
    table.add_column("forecast", no_wrap=True)
    titles = measures(comparison.backtests[next(iter(comparison.backtests))][0])
    for title in titles.values():
        table.add_column(title, justify="right")
    if comparison.spread:
        table.add_column("± seeds", justify="right")
    table.add_column(f"{method_label(comparison.best)} saves (95 %)", justify="right", no_wrap=True)
    for name, score in comparison.scores.items():
        spread = []
        if comparison.spread:
            spread = [f"{comparison.spread[name]:.1g}" if name in comparison.spread else ""]
        scores = (format_score(score[measure]) for measure in titles)
        table.add_row(method_label(name), *scores, *spread, _format_skill(comparison.skills.get(name)))
    return table


def _format_skill(skill: Skill | None) -> str:
    """Return a share of the error and its interval, if they are defined."""
    if skill is None:
        return ""
    if not math.isfinite(skill.value):
        return "–"
    interval = f" ({skill.low:.0%} to {skill.high:.0%})" if math.isfinite(skill.low) else ""
    return f"{skill.value:.0%}{interval}"
