"""`throughtime explain`: how far back gradients reach in a trained network, as text, as JSON and as a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

import throughtime
from throughtime import Forecaster
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.explain_network import explain_network
from throughtime.app.jobs.forecaster import read_fresh_table
from throughtime.app.jobs.requests import ModelRequest
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.output import print_result, write_output

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.output import FileWriter
    from throughtime.training import Diagnosis

_PICTURES = (".svg", ".png", ".pdf")


def run(
    model: Path, data: Path | None, options: dict[str, Any], season: int | None, out: Path | None, *, as_json: bool
) -> None:
    """Run the command.

    Args:
        model: directory of the model.
        data: table with the windows, for a network numbers with steps in rows; if None the training data, for a network
            random numbers.
        options: how the table is read, by name.
        season: values of the series that the memory should reach back; the season found in training if None.
        out: picture to write.
        as_json: print one JSON object instead of text.

    Raises:
        InputError: for data, models and files that cannot be used.
    """
    if out is not None and out.suffix.lower() not in _PICTURES:
        raise InputError(f"--out: expected a file that ends in {', '.join(_PICTURES)}, got {out}")
    console = ConsoleOutput()
    loaded = throughtime.load(model)
    if isinstance(loaded, Forecaster):
        request = None if data is None else ModelRequest(model, data, options)
        diagnosis, steps = _diagnose(loaded, request, console), _season_steps(loaded, season)
        heading, result = _heading(loaded, season, steps), _result(loaded, diagnosis, model, season, steps)
    elif isinstance(loaded, torch.nn.Module):
        explanation = explain_network(loaded, data)
        diagnosis, steps = explanation.diagnosis, season
        heading, result = explanation.heading, explanation.as_dict(model, season)
    else:
        raise InputError(f"{model}: expected a forecaster or a network, got a {type(loaded).__name__}")
    if out is not None:
        write_output(out, _picture_file(diagnosis, steps))
        console.say(f"Picture: {out}")

    def show() -> None:
        console.show(heading)
        for line in diagnosis.text(season=steps).splitlines():
            console.show(line)

    print_result(result, show, as_json=as_json)


def _diagnose(forecaster: Forecaster, request: ModelRequest | None, console: ConsoleOutput) -> Diagnosis:
    if request is None:
        return forecaster.explain()
    table = read_fresh_table(forecaster, request)
    console.say(*table.notes)
    with located_errors(request.data, ()):
        return forecaster.explain(table.frame)


def _season_steps(forecaster: Forecaster, season: int | None) -> int | None:
    """Return the recurrent steps of a season, each of which reads a block of values; None without a season."""
    values = forecaster.season_ if season is None else season
    return None if season is None and values < 2 else math.ceil(values / forecaster.block_)


def _heading(forecaster: Forecaster, requested: int | None, steps: int | None) -> str:
    weights = sum(p.numel() for p in forecaster.network_.parameters())
    block = _pluralize(forecaster.block_, "value")
    values = forecaster.season_ if requested is None else requested
    season = "No season was found in training."
    if steps is not None:
        origin = "found in training" if requested is None else "requested"
        season = f"The season {origin} has {_pluralize(values, 'value')}: {_pluralize(steps, 'step')}."
    return (
        f"{forecaster.cell.upper()} of {forecaster.hidden_size} units, {weights:,} weights in the network; a step "
        f"reads {block} of the series. {season}"
    )


def _pluralize(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def _result(
    forecaster: Forecaster, diagnosis: Diagnosis, directory: Path, season: int | None, steps: int | None
) -> dict[str, Any]:
    return {
        "model": str(directory),
        "cell": forecaster.cell,
        "hidden_size": forecaster.hidden_size,
        "values_per_step": forecaster.block_,
        "season": forecaster.season_ if season is None else season,
        "season_steps": steps,
        **diagnosis.as_dict(),
        "verdict": diagnosis.verdict(season=steps),
    }


def _picture_file(diagnosis: Diagnosis, steps: int | None) -> FileWriter:
    import matplotlib as mpl

    mpl.use("agg")
    from throughtime.training import plot_gradients

    return plot_gradients(diagnosis, season=steps).savefig
