"""Operators that pick, repeat and pad elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.runtime.operators.limits import require_size
from throughtime.runtime.operators.registry import register

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray


def _along(x: Array, axis: int, index: Any) -> tuple[Any, ...]:
    return (slice(None),) * (axis % x.ndim) + (index,)


@register("slice.Tensor")
def _slice(x: Array, axis: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Array:
    return x[_along(x, axis, slice(start, end, step))]


@register("select.int")
def _select(x: Array, axis: int, index: int) -> Array:
    return x[_along(x, axis, index)]


@register("narrow")
def _narrow(x: Array, axis: int, start: int, length: int) -> Array:
    return x[_along(x, axis, slice(start, start + length))]


@register("index.Tensor")
def _index(x: Array, indices: Sequence[Array | None]) -> Array:
    arrays = [i for i in indices if i is not None and i.dtype.kind != "b"]
    if arrays:
        free = [size for size, i in zip(x.shape, indices, strict=False) if i is None]
        require_size(*np.broadcast_shapes(*(i.shape for i in arrays)), *free, *x.shape[len(indices) :])
    return x[_at(indices)]


def _at(indices: Sequence[Array | None]) -> tuple[Any, ...]:
    return tuple(slice(None) if i is None else i for i in indices)


@register("index_put")
def _index_put(x: Array, indices: Sequence[Array | None], values: Array, accumulate: bool = False) -> Array:
    y = x.copy()
    if accumulate:
        np.add.at(y, _at(indices), values)
    else:
        y[_at(indices)] = values
    return y


@register("select_scatter")
def _select_scatter(x: Array, values: Array, axis: int, index: int) -> Array:
    y = x.copy()
    y[_along(x, axis, index)] = values
    return y


@register("slice_scatter")
def _slice_scatter(
    x: Array, values: Array, axis: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Array:
    y = x.copy()
    y[_along(x, axis, slice(start, end, step))] = values
    return y


@register("index_select")
def _index_select(x: Array, axis: int, index: Array) -> Array:
    require_size(index.size, *np.delete(x.shape, axis))
    return np.take(x, index, axis)


@register("gather")
def _gather(x: Array, axis: int, index: Array, *, sparse_grad: bool = False) -> Array:  # noqa: ARG001
    grid = list(np.ogrid[tuple(slice(size) for size in index.shape)])
    grid[axis % x.ndim] = index
    return x[tuple(grid)]


@register("flip")
def _flip(x: Array, axes: Sequence[int]) -> Array:
    return np.flip(x, tuple(axes))


@register("roll")
def _roll(x: Array, shifts: Sequence[int], axes: Sequence[int] = ()) -> Array:
    return np.roll(x, tuple(shifts), tuple(axes)) if len(axes) else np.roll(x, shifts[0])


@register("repeat")
def _repeat(x: Array, repeats: Sequence[int]) -> Array:
    require_size(x.size, *repeats)
    return np.tile(x, repeats)


@register("repeat_interleave.self_int")
def _repeat_interleave(x: Array, repeats: int, axis: int | None = None, **_: Any) -> Array:
    require_size(x.size, repeats)
    return np.repeat(x, repeats, axis)


@register("constant_pad_nd")
def _pad(x: Array, pad: Sequence[int], value: float = 0) -> Array:
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    cut = tuple(slice(max(-a, 0), size - max(-b, 0)) for (a, b), size in zip(widths, x.shape, strict=True))
    grown = [(max(a, 0), max(b, 0)) for a, b in widths]
    require_size(*(size + a + b for size, (a, b) in zip(x.shape, grown, strict=True)))
    return np.pad(x[cut], grown, constant_values=value)


@register("pad")
def _pad_mode(x: Array, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Array:
    if mode != "constant":
        raise ValueError(f"expected padding by a constant, got {mode!r}")
    return _pad(x, pad, value or 0)


@register("unfold")
def _unfold(x: Array, axis: int, size: int, step: int) -> Array:
    require_size(*x.shape, size)
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis % x.ndim)
    return windows[_along(x, axis, slice(None, None, step))]


@register("one_hot")
def _one_hot(x: Array, classes: int = -1) -> Array:
    classes = int(x.max()) + 1 if classes == -1 else classes
    require_size(x.size, classes)
    return (x[..., None] == np.arange(classes)).astype(np.int64)
