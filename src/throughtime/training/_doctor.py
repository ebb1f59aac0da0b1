"""Diagnosis of a network: the gradient by lag, its half-life, saturated gates and dead units.

One backward pass gives the exact gradients: zeros are added to every state of every step, and the gradients of those
zeros are ∂L/∂h_t. What makes them grow or fade is reported as well: the spectral radius of the recurrent Jacobian
∂(state after a step)/∂(state before it). Sources: Bengio et al. 1994, Learning Long-Term Dependencies with Gradient
Descent Is Difficult; Pascanu et al. 2013, On the Difficulty of Training Recurrent Neural Networks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.func import jacrev, vmap

from throughtime.data.batches import Batch
from throughtime.nn._replace import with_own_layers
from throughtime.nn._trace import record_layers
from throughtime.training._losses import get_loss
from throughtime.training._non_finite import NonFiniteLoss, locate_non_finite
from throughtime.training._time_axis import is_per_step, override_batch_first, time_dim
from throughtime.training._verdict import GradientReach, verdict
from throughtime.training._windows import select_targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int
    from torch import Tensor, nn

    from throughtime.nn._trace import LayerTrace
    from throughtime.training._history import History

_SATURATION_MARGIN = 0.05  # a gate this close to 0 or 1 passes little gradient
_DEAD_STD = 1e-4  # a unit whose state varies less carries no information
_MAX_JACOBIANS = 32  # along a sequence
_MAX_JACOBIAN_WORK = 4e8  # Σ units³ over all Jacobians


@dataclass(frozen=True)
class LayerHealth:
    """Diagnosis of one layer and direction.

    Attributes:
        name: of the layer.
        cell: name of its cell.
        state_gradients: mean over the batch of ‖∂L/∂h‖, by lag: at 0 the last step, at k the step k before.
        weight_gradients: Frobenius norm of the part of ∂L/∂W_hh that each lag contributes.
        half_life: steps in which the gradient falls to a half; infinite if it does not fall.
        spectral_radius: of the recurrent Jacobian of all states, by step, for the first sequence of the batch. Below 1
            the past fades, above 1 it may grow.
        saturation: fraction of a gate's values within 0.05 of 0 or 1, by gate.
        dead_units: fraction of the units whose state hardly varies.
    """

    name: str
    cell: str
    state_gradients: list[float]
    weight_gradients: list[float]
    half_life: float
    spectral_radius: dict[int, float]
    saturation: dict[str, float]
    dead_units: float


@dataclass(frozen=True)
class Diagnosis:
    """Diagnosis of a network.

    Attributes:
        layers: of the network, in their order.
        clipped: fraction of the updates whose gradient was clipped; None without a history.
    """

    layers: list[LayerHealth]
    clipped: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return all values as numbers, lists and dictionaries."""
        return asdict(self)

    def text(self, *, season: int | None = None) -> str:
        """Return a sentence or two for each layer, and the verdict."""
        return "\n".join([*map(_describe, self.layers), self.verdict(season=season)])

    def verdict(self, *, season: int | None = None) -> str:
        """Return in words whether the network can learn what it should, and what to do if not.

        Args:
            season: steps that it should reach back; None for the length of the sequences.
        """
        reaches = [
            GradientReach(layer.cell, layer.half_life, layer.state_gradients[0], layer.state_gradients[-1])
            for layer in self.layers
        ]
        steps = max((len(layer.state_gradients) for layer in self.layers), default=0)
        return verdict(reaches, steps=steps, season=season, clipped=self.clipped)


def doctor(
    model: nn.Module,
    x: Tensor,
    y: Tensor | None = None,
    *,
    loss: str | Callable[[Tensor, Tensor], Tensor] = "mse",
    history: History | None = None,
    batch_first: bool | None = None,
    **options: Any,
) -> Diagnosis:
    """Measure how gradients flow back through time.

    Args:
        model: a recurrent layer, or any module that has some inside and returns outputs, or outputs and a state. Layers
            of torch.nn are swapped in a copy.
        x: inputs.
        y: targets. Without them the gradient is that of the mean of the last step's outputs.
        loss: as for `fit`; applies to targets.
        history: of the training, for the fraction of clipped updates.
        batch_first: as for `fit`.
        options: further arguments of the model, such as `lengths`.

    Raises:
        NonFiniteLoss: if a gradient is not finite because an input or a target is not.
    """
    model = with_own_layers(model)
    lengths = None if options.get("lengths") is None else torch.as_tensor(options["lengths"])
    with override_batch_first(batch_first), torch.enable_grad(), record_layers(model, probes=True) as traces:
        result = model(x, **options)
        outputs = result[0] if isinstance(result, tuple) else result
        if y is None:
            objective = _last_outputs(model, x, outputs, lengths).mean()
        else:
            objective = get_loss(loss)(*select_targets(outputs, y, x, lengths, model)[:2])
        probes = [probe for layer in traces if layer.probes is not None for probe in layer.probes]
        gradients = torch.autograd.grad(objective, probes, allow_unused=True, materialize_grads=True) if probes else ()
        if not all(bool(gradient.isfinite().all()) for gradient in gradients):
            values = locate_non_finite([Batch(x, x if y is None else y, lengths)], model)
            if values:
                raise NonFiniteLoss(f"{values}, and so are its gradients. Remove or fill it before doctor")
    pairs = zip(gradients[::2], gradients[1::2], strict=True)
    layers = [_layer_health(layer, dh, dhidden) for layer, (dh, dhidden) in zip(traces, pairs, strict=True)]
    return Diagnosis(layers, None if history is None else clipped_fraction(history))


def _last_outputs(model: nn.Module, x: Tensor, outputs: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the outputs of the last step of each sequence; all, if they are not per step."""
    time = time_dim(model, x)
    per_step = is_per_step(outputs, x, model)
    if not per_step or lengths is None:
        return outputs.select(time, -1) if per_step or outputs.dim() > 2 else outputs
    ends = lengths.clamp(min=1) - 1
    return outputs.transpose(0, time)[ends, torch.arange(len(ends))]


def half_life(norms: np.ndarray) -> float:
    """Return the steps in which norms, the latest first, fall to a half: from a line through their logarithms."""
    norms = np.asarray(norms, dtype=np.float64)
    usable = norms > 1e-12 * norms.max(initial=0.0)
    if usable.sum() < 2:
        return 0.0
    lags = np.flatnonzero(usable)
    slope = np.polyfit(lags, np.log2(norms[lags]), 1)[0]
    return float(-1 / slope) if slope < -1e-9 else float("inf")


def clipped_fraction(history: History) -> float | None:
    """Return the fraction of all updates whose gradient was clipped; None without any update."""
    updates = np.diff([0, *(record.updates for record in history.records)])
    clipped = np.array([record.clipped for record in history.records])
    return float((updates * clipped).sum() / updates.sum()) if updates.sum() else None


@torch.no_grad()
def _layer_health(layer: LayerTrace, dh: Float[Tensor, "T N H"], dhidden: Float[Tensor, "T N GH"]) -> LayerHealth:
    h, lengths = layer.states["h"], layer.lengths
    # In the order of computation, in which lag 0 is the last step.
    order, align_ends = _computation_order(layer), _align_ends(layer, lengths)
    before = torch.cat([layer.h_0.unsqueeze(0), order(h)[:-1]])
    weight_norms = torch.einsum("tng,tnh->tgh", align_ends(order(dhidden)), align_ends(before)).flatten(1).norm(dim=1)
    norms = _masked_mean(align_ends(order(dh)).norm(dim=-1), lengths)
    states = norms.flip(0).double().tolist()
    saturation = {
        name: float(((gate < _SATURATION_MARGIN) | (gate > 1 - _SATURATION_MARGIN)).double().mean())
        for name, gate in layer.gates.items()
        if float(gate.min()) >= 0 and float(gate.max()) <= 1
    }
    return LayerHealth(
        name=layer.name,
        cell=layer.cell.name,
        state_gradients=states,
        weight_gradients=weight_norms.flip(0).double().tolist(),
        half_life=half_life(np.array(states)),
        spectral_radius=_spectral_radius(layer),
        saturation=saturation,
        dead_units=float((h.flatten(0, 1).std(0, correction=0) < _DEAD_STD).double().mean()),
    )


def _spectral_radius(layer: LayerTrace) -> dict[int, float]:
    """Return spectral radii by step, for steps that are spread over the first sequence."""
    order, (advance, x, state_0) = _computation_order(layer), layer.step
    units = [s.shape[-1] for s in state_0]
    count = max(2, min(_MAX_JACOBIANS, int(_MAX_JACOBIAN_WORK / sum(units) ** 3)))
    chosen = torch.linspace(0, len(x) - 1, min(count, len(x))).long()
    before = [
        torch.cat([first[:1], order(layer.states[name])[:-1, 0].detach()])[chosen]
        for name, first in zip(layer.cell.states, state_0, strict=True)
    ]

    def step(states: Tensor, inputs: Tensor) -> Tensor:
        after = advance(inputs.unsqueeze(0), tuple(s.unsqueeze(0) for s in states.split(units)))
        return torch.cat(after, -1).squeeze(0)

    jacobians = vmap(jacrev(step))(torch.cat(before, -1), order(x)[chosen, 0])
    radii = torch.linalg.eigvals(jacobians.double()).abs().amax(-1)
    steps = order(torch.arange(len(x)))[chosen].tolist()
    return dict(sorted(zip(steps, radii.tolist(), strict=True)))


def _align_ends(layer: LayerTrace, lengths: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Return the change from the order of computation to one in which all sequences end at the same step."""
    if lengths is None or layer.name.endswith("reverse"):  # they do already
        return lambda t: t

    def moved(t: Tensor) -> Tensor:
        steps = torch.arange(len(t)).unsqueeze(1) - (len(t) - lengths)
        values = t[steps.clamp(min=0), torch.arange(t.shape[1])]
        return values * (steps >= 0).unsqueeze(-1)

    return moved


def _masked_mean(norms: Float[Tensor, "T N"], lengths: Int[Tensor, "N"] | None) -> Float[Tensor, "T"]:
    """Return the mean by step over the sequences that have it."""
    if lengths is None:
        return norms.mean(-1)
    sequences = (lengths.unsqueeze(0) > torch.arange(len(norms)).flip(0).unsqueeze(1)).sum(1)
    return norms.sum(-1) / sequences.clamp(min=1)


def _computation_order(layer: LayerTrace) -> Callable[[Tensor], Tensor]:
    """Return the change from the order of time to that of computation."""
    return (lambda t: t.flip(0)) if layer.name.endswith("reverse") else (lambda t: t)


def _describe(layer: LayerHealth) -> str:
    steps = len(layer.state_gradients)
    if layer.half_life == float("inf") or layer.half_life > 4 * steps:
        memory = f"the gradient does not fade within the {steps} steps of the sequences"
    elif layer.half_life == 0:
        memory = "the gradient reaches a single step"
    else:
        memory = f"the gradient halves every {layer.half_life:.1f} steps"
        if layer.half_life < steps / 8:
            memory += f", so what is more than {4 * layer.half_life:.0f} steps back hardly contributes"
    radii = layer.spectral_radius.values()
    memory += f"; the spectral radius of its Jacobian is {min(radii):.2f} to {max(radii):.2f}"
    saturated = [f"{fraction:.0%} of gate {name}" for name, fraction in layer.saturation.items() if fraction > 0.5]
    if saturated:
        memory += f"; {' and '.join(saturated)} is saturated"
    if layer.dead_units > 0.1:
        memory += f"; {layer.dead_units:.0%} of the units hardly vary"
    return f"{layer.name}: {memory}."
