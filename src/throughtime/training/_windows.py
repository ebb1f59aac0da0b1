"""A stretch of a batch through a model: what goes in, what comes out, and which of it counts."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn import RNNBase

from throughtime._core.shapes import BatchLengths
from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.nn.layouts import ManyToOne
from throughtime.training._losses import IGNORE_INDEX
from throughtime.training._mixed_precision import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn


class BPTTWindow(NamedTuple):
    """One update: unfold steps `start` to `stop` - 1 and take the loss over steps `loss_start` to `stop` - 1.

    The next window starts from the state at `next_start`.
    """

    start: int
    stop: int
    loss_start: int
    next_start: int


_batch_first_override: ContextVar[bool | None] = ContextVar("batch_first", default=None)


def time_dim(model: nn.Module, x: Tensor) -> int:
    """The dimension of time."""
    return 1 if is_batch_first(model) and len(leading_shape(x)) == 2 else 0


def is_batch_first(model: nn.Module) -> bool:
    """Return whether rows come before steps; False for a model that does not say.

    Raises:
        ValueError: if layers differ.
    """
    return bool(_declared_batch_first(model))


def check_batch_first(data: object, model: nn.Module) -> None:
    """Raise where data that state the order of rows and steps, as `StatefulBatches` and `Batches` do, differ from the model.

    Raises:
        ValueError: if they differ, or the layers of the model do.
    """
    given: bool | None = getattr(data, "batch_first", None)
    expected = _declared_batch_first(model)
    if given is not None and expected is not None and given != expected:
        orders = {True: "rows before steps, (N, T, …)", False: "steps before rows, (T, N, …)"}
        raise ValueError(
            f"data: expected {orders[expected]}, as {type(model).__name__} reads its inputs, got {orders[given]}; "
            f"change the order of the model or that of {type(data).__name__}"
        )


def _declared_batch_first(model: nn.Module) -> bool | None:
    """Whether rows come before steps, as the caller, the model by `batch_first`, or its recurrent layers say."""
    batch_first = _batch_first_override.get()
    if batch_first is None:
        batch_first = getattr(model, "batch_first", None)
    if batch_first is not None:
        return bool(batch_first)
    layers = {
        name: bool(module.batch_first)
        for name, module in model.named_modules()
        if isinstance(module, AbstractRecurrent | RNNBase)
    }
    if len({*layers.values()}) > 1:
        which = ", ".join(f"{name}: {value}" for name, value in layers.items())
        raise ValueError(
            f"batch_first: expected layers that agree, got {which} in {type(model).__name__}; say how its inputs come "
            "by batch_first="
        )
    return any(layers.values()) if layers else None


@contextmanager
def override_batch_first(batch_first: bool | None) -> Iterator[None]:
    """Read inputs as the caller says, whatever the model; None leaves it to the model."""
    if batch_first is None:
        yield
        return
    token = _batch_first_override.set(batch_first)
    try:
        yield
    finally:
        _batch_first_override.reset(token)


def leading_shape(x: Tensor) -> torch.Size:
    """Steps and rows of inputs, in their order; the steps alone of a single sequence (T, I).

    Whole numbers are tokens, which have no dimension of features.
    """
    return x.shape[:2] if x.dim() > 2 or (x.dim() == 2 and not x.is_floating_point()) else x.shape[:1]


def is_per_step(y: Tensor, x: Tensor, model: nn.Module, *, full_x: Tensor | None = None) -> bool:
    """Whether there is an output for each row and step of the inputs, rather than others of the same number.

    Outputs of two dimensions are such where time comes first and there are not as many steps as rows: (N, K) are K
    numbers for each row. Where x is a piece, the number of steps is that of the `full_x`.
    """
    steps = leading_shape(x)
    if y.shape[: len(steps)] != steps or isinstance(unwrap(model), ManyToOne):
        return False
    shape = steps if full_x is None else leading_shape(full_x)
    return y.dim() > len(steps) or (len({*shape}) == 2 and time_dim(model, x) == 0)


def check_lengths(lengths: Tensor | None, x: Tensor, model: nn.Module) -> None:
    """Refuse what are no lengths of a batch.

    Raises:
        ValueError: names the first row.
    """
    if lengths is not None:
        time, shape = time_dim(model, x), leading_shape(x)
        BatchLengths.padded(lengths, shape[time], shape[1 - time] if len(shape) == 2 else 1)


def check_unidirectional(model: nn.Module, strategy: object) -> None:
    """Refuse to cut sequences where a layer reads them from both ends.

    Raises:
        ValueError: names the strategy.
    """
    if any(getattr(module, "bidirectional", False) for module in model.modules()):
        raise ValueError(f"{strategy}: expected layers in one direction, got a bidirectional one; use FullBPTT()")


def check_step_targets(y: Tensor, x: Tensor, model: nn.Module, strategy: object) -> None:
    """Refuse targets that are not one for each step.

    Raises:
        ValueError: names the strategy.
    """
    expected, inner = leading_shape(x), unwrap(model)
    if y.shape[: len(expected)] != expected or isinstance(inner, ManyToOne):
        raise ValueError(
            f"{strategy}: expected a target for each of the {x.shape[time_dim(model, x)]} steps, got targets of shape "
            f"{tuple(y.shape)} for a {type(inner).__name__}; with one target for each sequence use FullBPTT()"
        )


def run_model(model: nn.Module, x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
    """Outputs and state; the state is None for a model that has none."""
    options = {} if lengths is None else {"lengths": lengths}
    result = model(x, **options) if state is None else model(x, state, **options)
    return result if isinstance(result, tuple) else (result, None)


def window_lengths(lengths: Tensor | None, start: int, stop: int) -> Tensor | None:
    """Valid steps of each row in a window."""
    return None if lengths is None else (lengths - start).clamp(0, stop - start)


def select_targets(
    y: Tensor, target: Tensor, x: Tensor, lengths: Tensor | None, model: nn.Module, *, per_step: bool | None = None
) -> tuple[Tensor, Tensor, int]:
    """Outputs and targets without the steps behind the end of a sequence, and how many targets there are.

    There is one for each row and step, or one for each row. By their number losses are weighed, in whatever order rows
    and steps come. Where outputs do not run along the inputs, `lengths` say nothing about them; `per_step` says whether
    they do, where that is known.
    """
    per_step = is_per_step(y, x, model) if per_step is None else per_step
    per_step = per_step and len(leading_shape(x)) == 2 and target.shape[:2] == y.shape[:2]
    if lengths is not None and per_step:
        time = time_dim(model, x)
        steps = torch.arange(x.shape[time], device=y.device)
        lengths = lengths.to(y.device)
        real = steps < lengths.unsqueeze(1) if time else steps.unsqueeze(1) < lengths
        y, target = y[real], target[real]
        return y, target, _count_targets(target, target.shape[0])
    if not target.dim():
        return y, target, 1
    for_steps = per_step or (y.dim() > 2 and target.shape[:2] == y.shape[:2])
    count = target.shape[0] * target.shape[1] if for_steps else target.shape[0]
    return y, target, _count_targets(target, count)


def _count_targets(target: Tensor, count: int) -> int:
    """How many of so many targets are not ignored, where they are class numbers, one for each."""
    if target.is_floating_point():
        return count
    ignored = int((target == IGNORE_INDEX).sum())
    return count - ignored if target.numel() == count else count * (ignored < target.numel())


def map_state(state: Any, fn: Callable[[Tensor], Tensor]) -> Any:
    """A state, which may hold states of several layers, with another tensor in place of each."""
    if state is None:
        return None
    return tuple(map_state(s, fn) for s in state) if isinstance(state, tuple) else fn(state)


def detach_state(state: Any) -> Any:
    """The state without its history."""
    return map_state(state, torch.Tensor.detach)


def flatten_state(state: Any) -> tuple[Tensor, ...]:
    """The tensors of a state, in their order."""
    if isinstance(state, tuple):
        return tuple(tensor for s in state for tensor in flatten_state(s))
    return () if state is None else (state,)


def apply_reset(state: Any, reset: Tensor | None) -> Any:
    """The state that a batch starts from: zero (None) in the rows that `reset` names, or in all without it."""
    if reset is None or state is None:
        return None
    before = flatten_state(state)
    rows = before[0].shape[1] if before[0].dim() == 3 else 1
    if reset.shape != (rows,) or reset.dtype != torch.bool:
        raise ValueError(
            f"reset: expected one boolean for each of the {rows} rows, got {reset.dtype} of shape {tuple(reset.shape)}"
        )
    keep = ~reset.to(before[0].device).unsqueeze(-1)
    return map_state(state, lambda s: torch.where(keep, s, 0.0))
