"""`throughtime explain`: how far back a trained network learns, in words, as data and as a picture."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime import Forecaster
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.forecaster import read_fresh_table
from throughtime.app.output import print_json

if TYPE_CHECKING:
    from throughtime.training import Diagnosis

_PICTURES = (".svg", ".png", ".pdf")


def explain(
    model: Path,
    data: Path | None,
    columns: dict[str, str | None],
    season: int | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Run the job.

    Args:
        model: its directory.
        data: table to look at; the training data if None.
        columns: of the table, by option; those of the training where they are not given.
        season: values of the series that the network should reach back; what the training found if None.
        out: picture to write.
        as_json: print one JSON object instead of text.

    Raises:
        InputError: for whatever a user can mend.
    """
    if out is not None and out.suffix.lower() not in _PICTURES:
        raise InputError(f"--out: expected a file that ends in {', '.join(_PICTURES)}, got {out}")
    screen = ConsoleOutput()
    forecaster = throughtime.load(model)
    if not isinstance(forecaster, Forecaster):
        raise InputError(f"{model}: expected a forecaster, got a {type(forecaster).__name__}")
    found = _diagnosis(forecaster, model, data, columns, screen)
    steps = _steps(forecaster, season)
    if out is not None:
        _draw(found, steps, out)
        screen.say(f"Picture: {out}")
    if as_json:
        print_json(_result(forecaster, found, model, season, steps))
        return
    screen.show(_heading(forecaster, season, steps))
    for line in found.text(season=steps).splitlines():
        screen.show(line)


def _diagnosis(
    forecaster: Forecaster, directory: Path, data: Path | None, columns: dict[str, str | None], screen: ConsoleOutput
) -> Diagnosis:
    if data is None:
        return forecaster.explain()
    table = read_fresh_table(forecaster, directory, data, columns)
    screen.say(*table.notes)
    try:
        return forecaster.explain(table.frame)
    except InputError as error:
        raise InputError(f"{data}: {error}") from error


def _steps(forecaster: Forecaster, season: int | None) -> int | None:
    """Recurrent steps of a season: each takes in a block of values."""
    values = forecaster.season_ if season is None else season
    return None if season is None and values < 2 else math.ceil(values / forecaster.block_)


def _heading(forecaster: Forecaster, asked: int | None, steps: int | None) -> str:
    weights = sum(p.numel() for p in forecaster.network_.parameters())
    step = _counted(forecaster.block_, "value")
    values = forecaster.season_ if asked is None else asked
    season = "No season was found in training."
    if steps is not None:
        origin = "found in training" if asked is None else "asked for"
        season = f"The season {origin} has {_counted(values, 'value')}: {_counted(steps, 'step')}."
    return (
        f"{forecaster.cell.upper()} of {forecaster.hidden_size} units, {weights:,} weights in the network; a step "
        f"takes in {step} of the series. {season}"
    )


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' if count != 1 else ''}"


def _result(
    forecaster: Forecaster, found: Diagnosis, directory: Path, season: int | None, steps: int | None
) -> dict[str, Any]:
    return {
        "model": str(directory),
        "cell": forecaster.cell,
        "hidden_size": forecaster.hidden_size,
        "values_per_step": forecaster.block_,
        "season": forecaster.season_ if season is None else season,
        "season_steps": steps,
        **found.as_dict(),
        "verdict": found.verdict(season=steps),
    }


def _draw(found: Diagnosis, steps: int | None, out: Path) -> None:
    """Write the picture whole, or not at all."""
    import matplotlib as mpl

    mpl.use("agg")
    from throughtime.training import plot_gradients

    figure = plot_gradients(found, season=steps)
    try:
        with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}-") as work:
            figure.savefig(Path(work) / out.name)
            os.replace(Path(work) / out.name, out)
    except OSError as error:
        raise InputError(f"--out: {out} cannot be written: {error.strerror}") from error
