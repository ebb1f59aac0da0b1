"""How far back a network learns and what to do about it, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from throughtime._core.reference import CELLS

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIN_GRADIENT_LEFT = 0.25  # fraction of the gradient at the season; less contributes little
_EXPLODING_RATIO = 10.0  # of the gradients at the first and the last step
_MAX_CLIPPED = 0.5  # fraction of the updates


class GradientReach(NamedTuple):
    """How far back one layer learns.

    Attributes:
        cell: name of its cell.
        half_life: steps in which the gradient falls to a half.
        last: norm of the gradient at the last step.
        first: norm of the gradient at the first step.
    """

    cell: str
    half_life: float
    last: float
    first: float


def verdict(reaches: Sequence[GradientReach], *, steps: int, season: int | None, clipped: float | None) -> str:
    """Return in words whether the layer that reaches furthest reaches far enough, and what to do if not.

    Args:
        reaches: of all layers.
        steps: length of the sequences.
        season: steps that the network should reach back; `steps` if None.
        clipped: fraction of the updates that were clipped; None if unknown.
    """
    if not reaches:
        return "There is no recurrent layer inside, so no gradient flows back in time."
    sentences = [_memory(max(reaches, key=lambda reach: reach.half_life), steps, season)]
    if any(reach.last > 0 and reach.first > _EXPLODING_RATIO * reach.last for reach in reaches):
        sentences.append(
            "Gradients grow on their way back: clip them (clip=1.0), or initialize with orthogonal weights."
        )
    if clipped is not None and clipped > _MAX_CLIPPED:
        sentences.append(
            f"{clipped:.0%} of the updates were clipped, so that clipping decides their size; allow a larger norm or "
            "use a smaller learning rate."
        )
    return " ".join(sentences)


def _memory(reach: GradientReach, steps: int, season: int | None) -> str:
    lag = steps if season is None else season
    goal = f"the sequences have {_format_steps(steps)}" if season is None else f"your season is {_format_steps(season)}"
    if reach.last == 0 and reach.first == 0:
        return "No gradient arrives: the outputs of the network do not depend on its states."
    if reach.half_life > 4 * max(steps, lag):
        return f"Gradients do not fade, and {goal}: that is within reach."
    left = 0.0 if reach.half_life == 0 else math.exp2(-lag / reach.half_life)
    halves = f"Gradients halve every {_format_steps(reach.half_life)}; {goal}"
    if left >= _MIN_GRADIENT_LEFT:
        return f"{halves}, where {left:.0%} is left: that is within reach."
    return f"{halves}, where {_format_percent(left)} is left: {_advice(reach.cell, lag)}."


def _advice(cell: str, lag: int) -> str:
    shortcut = f"or give the network the value of {_format_steps(lag)} before as an input"
    if not CELLS[cell].cell.is_gated:
        return f"use GRU or LSTM, initialise the weights as orthogonal or identity, {shortcut}"
    return f"start from initialization=nn.Chrono({max(2 * lag, 3)}), {shortcut}"


def _format_steps(steps: float) -> str:
    number = f"{steps:.0f}" if steps >= 3 or steps == int(steps) else f"{steps:.1f}"
    return f"{number} step{'' if number == '1' else 's'}"


def _format_percent(left: float) -> str:
    return "less than 1 %" if left < 0.01 else f"{left:.0%}"
