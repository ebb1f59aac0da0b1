"""The options of a layer about its states, which hold for any cell, as one value."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch

from throughtime._core.rng import dropout
from throughtime._core.state_transforms import NormClip, StateTransforms

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime._core.cell import Cell
    from throughtime._core.state_transforms import GradientClip, LayerNormWeights


@dataclass(frozen=True)
class StateOptions:
    """Dropout of the state, zoneout, layer normalization and clipped gradients; see the layers."""

    recurrent_dropout: float = 0.0
    zoneout: float | tuple[float, ...] = 0.0
    layer_norm: bool = False
    clip_state_grad: GradientClip | None = None

    def __post_init__(self) -> None:
        for name in ("recurrent_dropout", "zoneout"):
            value = getattr(self, name)
            for p in value if isinstance(value, tuple) else (value,):
                if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p < 1:
                    raise ValueError(f"{name}: expected a probability in [0, 1), got {value!r}")
        clip = self.clip_state_grad
        if clip is not None and not callable(clip) and not (isinstance(clip, int | float) and clip > 0):
            raise ValueError(
                "clip_state_grad: expected a limit above 0, a function of a gradient such as nn.NormClip(1.0), or "
                f"None, got {clip!r}"
            )

    def non_default(self) -> dict[str, Any]:
        """Return the options that differ from the defaults, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def repr_parts(self) -> list[str]:
        """Return the same for `extra_repr`."""
        return [f"{name}={getattr(value, '__name__', value)}" for name, value in self.non_default().items()]

    def fallback_reason(self, *, training: bool) -> str:
        """Return why the kernels cannot run a call; empty if they can."""
        if self.layer_norm:
            return "layer normalization is not compiled"
        if self.zoneout != 0:
            return "zoneout is not compiled"
        if training and self.recurrent_dropout:
            return "recurrent dropout is not compiled"
        clip = self.clip_state_grad
        if callable(clip) and not isinstance(clip, NormClip) and torch.is_grad_enabled():
            return "clip_state_grad as a function is not compiled"
        return ""

    def transforms(
        self, cell: Cell, like: Tensor, size: tuple[int, int], norm: LayerNormWeights | None, *, training: bool
    ) -> StateTransforms:
        """Return the transforms of one direction in one call, with a mask drawn for a state h of (N, H)."""
        dropout_mask = None
        if training and self.recurrent_dropout:
            dropout_mask = dropout(like.new_ones(size), self.recurrent_dropout)
        zoneout = self.zoneout if isinstance(self.zoneout, tuple) else (self.zoneout,) * len(cell.states)
        return StateTransforms(dropout_mask, zoneout if any(zoneout) else (), training, norm, self.clip_state_grad)

    def check(self, cell: Cell) -> None:
        """Raise a ValueError if the options do not fit a cell."""
        if isinstance(self.zoneout, tuple) and len(self.zoneout) != len(cell.states):
            raise ValueError(
                f"zoneout: expected one probability, or one for each of the states {cell.states}, got {self.zoneout}"
            )
