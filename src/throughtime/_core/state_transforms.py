"""What happens to the states between the steps of a cell: dropout, zoneout, normalization, clipped gradients.

The reference path applies it around the step of any cell. The kernels clip gradients, to a number or a norm, and apply
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.functional import layer_norm, linear

from throughtime._core import rng

if TYPE_CHECKING:
    from jaxtyping import Float

    from throughtime._core.activations import Activation
    from throughtime._core.cell import Cell

GradientClip = float | Callable[[Tensor], Tensor]


class LayerNormWeights(NamedTuple):
    """Gains, and a bias, of layer normalization in one direction of one layer.

    The biases of the gates are those of the layer. The inner state, where there is one, is normalized on its way to h.
    """

    gain_ih: Float[Tensor, "G*H"]
    gain_hh: Float[Tensor, "G*H"]
    gain_state: Float[Tensor, "H"] | None = None
    bias_state: Float[Tensor, "H"] | None = None


class StateTransforms(NamedTuple):
    """What happens to the states of one direction between the steps.

    Attributes:
        dropout_mask: multiplies h on its way to the recurrent weights, the same at every step.
        zoneout: the probability with which a unit keeps its value, for each state; empty for none.
        stochastic: whether zoneout draws, as in training, or takes the mean.
        norm: the weights of layer normalization.
        clip: limits the gradients of the states from step to step.
    """

    dropout_mask: Float[Tensor, "N H"] | None = None
    zoneout: tuple[float, ...] = ()
    stochastic: bool = False
    norm: LayerNormWeights | None = None
    clip: GradientClip | None = None

    def deterministic(self) -> StateTransforms:
        """Return the same for the first row of the batch alone, without draws and without clipping."""
        dropout_mask = None if self.dropout_mask is None else self.dropout_mask[:1]
        return self._replace(dropout_mask=dropout_mask, stochastic=False, clip=None)

    def pre_step(self, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the states that a step reads."""
        return state if self.clip is None else tuple(clip_gradient(s, self.clip) for s in state)

    def post_step(self, state: tuple[Tensor, ...], previous: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the states after a step, from those that it computed and those that it read."""
        return tuple(map(self._zoneout, state, previous, self.zoneout)) if self.zoneout else state

    def squash(self, f: Activation) -> Activation:
        """Return what maps an inner state to h: `f`, after normalization where there is some."""
        norm = self.norm
        if norm is None or norm.gain_state is None:
            return f
        return lambda c: f(layer_norm(c, c.shape[-1:], norm.gain_state, norm.bias_state))

    def _zoneout(self, new: Tensor, old: Tensor, probability: float) -> Tensor:
        if not self.stochastic:
            return old * probability + new * (1 - probability)
        chance = torch.empty_like(new).uniform_(generator=rng.generator(new.device))
        return torch.where(chance < probability, old, new)


NO_TRANSFORMS = StateTransforms()


@dataclass(frozen=True)
class NormClip:
    """Scale the gradient of a row's state down to a norm: a value of `clip_state_grad`.

    Source: Pascanu et al. 2013, On the Difficulty of Training Recurrent Neural Networks, who clip the norm of the whole
    gradient; here it is that of one state of one row at one step.

    Args:
        limit: the greatest norm.
    """

    limit: float

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise ValueError(f"NormClip: expected a limit above 0, got {self.limit}")

    def __call__(self, gradient: Float[Tensor, "N H"]) -> Float[Tensor, "N H"]:
        """Clip the gradient of a state."""
        norm = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
        return gradient * (self.limit / norm.clamp(min=self.limit))


def kernel_clip(clip: GradientClip | None) -> tuple[float, bool]:
    """Return what the kernels clip the gradients of states to: a limit, 0 for none, and whether it limits the norm."""
    if isinstance(clip, NormClip):
        return clip.limit, True
    return (0.0, False) if clip is None or callable(clip) else (float(clip), False)


def gate_preactivations(
    cell: Cell,
    x: Float[Tensor, "*steps I"],
    weight: Float[Tensor, "G*H I"],
    bias: Float[Tensor, "G*H"] | None,
    gain: Float[Tensor, "G*H"] | None,
) -> Float[Tensor, "*steps G*H"]:
    """Return the input half or the hidden half of the pre-activations of all gates, normalized where there is a gain.

    Gates whose halves are summed are normalized together, others each by themselves.
    """
    if gain is None:
        return linear(x, weight, bias)
    product = linear(x, weight)
    separate = product.shape[-1] // len(cell.gates) * len(cell.separate_halves)
    groups = product.split([product.shape[-1] - separate, separate], -1) if separate else (product,)
    normalized = torch.cat([layer_norm(group, group.shape[-1:]) for group in groups], -1) * gain
    return normalized if bias is None else normalized + bias


def clip_gradient(x: Tensor, clip: GradientClip) -> Tensor:
    """Return x itself; the gradient that passes back through it is clipped."""
    if not x.requires_grad:
        return x
    function = _ClipGradient if forward_ad._current_level < 0 else _ClipGradientJvp
    return function.apply(x, clip)  # pyright: ignore[reportReturnType]


class _ClipGradient(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, clip: GradientClip) -> Tensor:  # noqa: ARG004  what `setup_context` reads
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, GradientClip], output: Tensor) -> None:  # noqa: ARG004  torch's signature
        ctx.clip = inputs[1]

    @staticmethod
    def backward(ctx: Any, *doutputs: Tensor) -> tuple[Tensor, None]:
        clip: GradientClip = ctx.clip
        (dx,) = doutputs
        return dx.clamp(-clip, clip) if isinstance(clip, int | float) else clip(dx), None


class _ClipGradientJvp(_ClipGradient):
    """The same where tangents go forward, which are not clipped: torch.compile takes no function that knows of them."""

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:  # noqa: ARG004  torch's signature
        return tangents[0].view_as(tangents[0])
