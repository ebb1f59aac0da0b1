"""Operators that arrange elements in other shapes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.runtime.operators.element_types import result_type
from throughtime.runtime.operators.limits import require_size
from throughtime.runtime.operators.registry import register

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray


@register("view", "reshape", "_unsafe_view")
def _reshape(x: Array, size: Sequence[int]) -> Array:
    require_size(*x.shape)  # of an expanded array it is a copy
    return x.reshape(size)


@register("flatten.using_ints")
def _flatten(x: Array, start: int = 0, end: int = -1) -> Array:
    require_size(*x.shape)
    start, end = start % max(x.ndim, 1), end % max(x.ndim, 1)
    return x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])


@register("unflatten.int")
def _unflatten(x: Array, axis: int, sizes: Sequence[int]) -> Array:
    axis %= x.ndim
    return x.reshape(*x.shape[:axis], *sizes, *x.shape[axis + 1 :])


@register("expand")
def _expand(x: Array, size: Sequence[int], *, implicit: bool = False) -> Array:  # noqa: ARG001
    missing = len(size) - x.ndim
    require_size(*(x.shape[i - missing] if s == -1 else s for i, s in enumerate(size)))
    return np.broadcast_to(x, [x.shape[i - missing] if s == -1 else s for i, s in enumerate(size)])


@register("expand_as")
def _expand_as(x: Array, other: Array) -> Array:
    return np.broadcast_to(x, other.shape)


@register("broadcast_to")
def _broadcast_to(x: Array, size: Sequence[int]) -> Array:
    return _expand(x, size)


@register("unsqueeze")
def _unsqueeze(x: Array, axis: int) -> Array:
    return np.expand_dims(x, axis)


@register("squeeze", "squeeze.dim", "squeeze.dims")
def _squeeze(x: Array, axes: int | Sequence[int] | None = None) -> Array:
    candidates = range(x.ndim) if axes is None else [axes] if isinstance(axes, int) else axes
    return np.squeeze(x, tuple(a for a in candidates if x.ndim and x.shape[a] == 1))


@register("permute")
def _permute(x: Array, axes: Sequence[int]) -> Array:
    return np.transpose(x, axes)


@register("transpose.int")
def _transpose(x: Array, a: int, b: int) -> Array:
    return np.swapaxes(x, a, b)


@register("movedim.int", "movedim.intlist")
def _move_axes(x: Array, source: Any, target: Any) -> Array:
    return np.moveaxis(x, source, target)


@register("t", "numpy_T")
def _t(x: Array) -> Array:
    return x.T


@register("cat", "concat")
def _cat(arrays: Sequence[Array], axis: int = 0) -> Array:
    arrays = [x for x in arrays if x.shape != (0,)] or arrays[:1]  # as torch does
    require_size(sum(x.size for x in arrays))
    dtype = result_type(*arrays)
    return np.concatenate([np.asarray(x, dtype) for x in arrays], axis)


@register("stack")
def _stack(arrays: Sequence[Array], axis: int = 0) -> Array:
    require_size(len(arrays), *arrays[0].shape)
    dtype = result_type(*arrays)
    return np.stack([np.asarray(x, dtype) for x in arrays], axis)


@register("unbind.int")
def _unbind(x: Array, axis: int = 0) -> list[Array]:
    return list(np.moveaxis(x, axis, 0))


@register("split.Tensor")
def _split(x: Array, size: int, axis: int = 0) -> list[Array]:
    return np.split(x, range(size, x.shape[axis], size), axis) if x.shape[axis] else [x]


@register("split_with_sizes", "split.sizes")
def _split_with_sizes(x: Array, sizes: Sequence[int], axis: int = 0) -> list[Array]:
    return np.split(x, np.cumsum(sizes)[:-1], axis)


@register("chunk")
def _chunk(x: Array, chunks: int, axis: int = 0) -> list[Array]:
    return _split(x, -(-x.shape[axis] // chunks), axis)


@register("meshgrid", "meshgrid.indexing")
def _meshgrid(arrays: Sequence[Array], *, indexing: str = "ij") -> list[Array]:
    require_size(len(arrays), *(x.size for x in arrays))
    return list(np.meshgrid(*arrays, indexing="xy" if indexing == "xy" else "ij"))


@register("tril")
def _tril(x: Array, diagonal: int = 0) -> Array:
    return np.tril(x, diagonal)


@register("triu")
def _triu(x: Array, diagonal: int = 0) -> Array:
    return np.triu(x, diagonal)
