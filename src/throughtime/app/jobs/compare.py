"""`throughtime compare`: several cells, decoders and presets over the same windows of the past, in one leaderboard."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table as Rows

from throughtime import compare
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.forecast import check_against, locate_error
from throughtime.app.output import format_csv, plain, print_json, write_whole
from throughtime.app.scores import MEASURES, label, written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughtime import Forecaster
    from throughtime.app.tables.table import Table
    from throughtime.tasks.forecasting import Comparison


def forecasters(
    forecaster: Forecaster, cells: Sequence[str], decoders: Sequence[str], presets: Sequence[str]
) -> dict[str, Forecaster]:
    """A forecaster for each cell, decoder and preset, with the settings of one, named after what tells them apart."""
    choices = {"cell": cells, "decoder": decoders, "preset": presets}
    for name, values in choices.items():
        if not values:
            raise InputError(f"--{name}: expected at least one, got none")
    varied = [name for name, values in choices.items() if len(values) > 1] or ["cell"]
    found = {}
    for values in product(*map(dict.fromkeys, choices.values())):
        chosen = dict(zip(choices, values, strict=True))
        words = [chosen[name].upper() if name == "cell" else chosen[name] for name in varied]
        found[" ".join(words)] = type(forecaster)(**{**forecaster.get_params(), **chosen})
    return found


def run(
    table: Table,
    networks: dict[str, Forecaster],
    windows: int | None,
    step: int | None,
    out: Path | None,
    *,
    seeds: int,
    refit: bool,
    against: Sequence[str],
    workers: str | None,
    as_json: bool,
) -> None:
    """Run the job: a table, or one JSON object, and the leaderboard into `out` where that is given.

    Raises:
        InputError: for whatever a user can mend.
    """
    screen = ConsoleOutput()
    screen.say(*table.notes)
    check_against(against)
    options = {"seeds": seeds, "refit": refit, "against": against, "workers": workers}
    try:
        with screen.progress("Comparison") as callback:
            found = compare(table.frame, networks, windows, step, **options, callbacks=[callback])
    except InputError as error:
        raise InputError(locate_error(str(error), table, next(iter(networks.values())))) from error
    if out is not None:
        rows = _rows(found)
        write_whole(out, format_csv([*rows[0]], [[*row.values()] for row in rows]))
    if as_json:
        result = {"windows": found.windows, "seeds": found.seeds, "leaderboard": _rows(found), "best": found.best}
        print_json({**result, "verdict": found.verdict, "out": None if out is None else str(out)})
        return
    screen.table(_leaderboard(found))
    screen.show(found.verdict, style="bold")
    if out is not None:
        screen.show(f"\nLeaderboard  {out}")


def _rows(found: Comparison) -> list[dict[str, Any]]:
    """The leaderboard: names, scores, the spread over seeds, and what the best saves of the error."""
    rows = []
    for name, score in found.scores.items():
        skill = found.skills.get(name)
        interval = [None] * 3 if skill is None else [skill.value, skill.low, skill.high]
        numbers = {**score, "mase_spread": found.spread.get(name)}
        numbers |= dict(zip(("best_saves", "best_saves_low", "best_saves_high"), interval, strict=True))
        rows.append({"forecast": name, **plain(numbers)})
    return rows


def _leaderboard(found: Comparison) -> Rows:
    over = f", {found.seeds} seeds" if found.seeds > 1 else ""
    table = Rows(box=box.SIMPLE_HEAD, title=f"Held-out windows: {found.windows}{over}")
    table.add_column("forecast", no_wrap=True)
    for name in MEASURES.values():
        table.add_column(name, justify="right")
    if found.spread:
        table.add_column("± seeds", justify="right")
    table.add_column(f"{label(found.best, '')} saves (95 %)", justify="right", no_wrap=True)
    for name, score in found.scores.items():
        spread = [f"{found.spread[name]:.1g}" if name in found.spread else ""] if found.spread else []
        skill = found.skills.get(name)
        sure = "" if skill is None or not math.isfinite(skill.low) else f" ({skill.low:.0%} to {skill.high:.0%})"
        saved = "" if skill is None else f"{skill.value:.0%}{sure}" if math.isfinite(skill.value) else "–"
        table.add_row(label(name, ""), *(written(score[m]) for m in MEASURES), *spread, saved)
    return table
