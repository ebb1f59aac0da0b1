"""Operators that make new arrays, and casts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.runtime.operators.limits import require_size
from throughtime.runtime.operators.registry import register

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray


def _filled(size: Sequence[int], value: Any, dtype: Any) -> Array:
    require_size(*size)
    return np.full(tuple(size), value, dtype)


def _type_of(value: Any) -> Any:
    return np.bool_ if isinstance(value, bool) else np.int64 if isinstance(value, int) else np.float32


@register("arange", "arange.start", "arange.start_step")
def _arange(*bounds: Any, dtype: Any = None, **_: Any) -> Array:
    start, end, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    require_size(math.ceil((end - start) / step))
    is_float = any(isinstance(bound, float) for bound in bounds)
    return np.arange(start, end, step, dtype=dtype or (np.float32 if is_float else np.int64))


@register("zeros", "empty.memory_format", "empty")
def _zeros(size: Sequence[int], *, dtype: Any = None, **_: Any) -> Array:
    return _filled(size, 0, dtype or np.float32)


@register("ones")
def _ones(size: Sequence[int], *, dtype: Any = None, **_: Any) -> Array:
    return _filled(size, 1, dtype or np.float32)


@register("full")
def _full(size: Sequence[int], value: Any, *, dtype: Any = None, **_: Any) -> Array:
    return _filled(size, value, dtype or _type_of(value))


@register("scalar_tensor")
def _scalar_tensor(value: Any, *, dtype: Any = None, **_: Any) -> Array:
    return np.asarray(value, dtype or np.float32)


@register("zeros_like", "empty_like")
def _zeros_like(x: Array, *, dtype: Any = None, **_: Any) -> Array:
    return _filled(x.shape, 0, dtype or x.dtype)


@register("ones_like")
def _ones_like(x: Array, *, dtype: Any = None, **_: Any) -> Array:
    return _filled(x.shape, 1, dtype or x.dtype)


@register("full_like")
def _full_like(x: Array, value: Any, *, dtype: Any = None, **_: Any) -> Array:
    return _filled(x.shape, value, dtype or x.dtype)


@register("fill.Scalar", "fill.Tensor")
def _fill(x: Array, value: Any) -> Array:
    return _filled(x.shape, value, x.dtype)


@register("new_zeros", "new_empty")
def _new_zeros(x: Array, size: Sequence[int], *, dtype: Any = None, **_: Any) -> Array:
    return _filled(size, 0, dtype or x.dtype)


@register("new_ones")
def _new_ones(x: Array, size: Sequence[int], *, dtype: Any = None, **_: Any) -> Array:
    return _filled(size, 1, dtype or x.dtype)


@register("new_full")
def _new_full(x: Array, size: Sequence[int], value: Any, *, dtype: Any = None, **_: Any) -> Array:
    return _filled(size, value, dtype or x.dtype)


@register("_to_copy", "to.dtype", "to.dtype_layout")
def _to(x: Array, dtype: Any = None, *_: Any, **__: Any) -> Array:
    require_size(*x.shape)
    return x if dtype is None else np.asarray(x, dtype)


@register("type_as", "to.other")
def _type_as(x: Array, other: Array, *_: Any, **__: Any) -> Array:
    return _to(x, other.dtype)


@register(
    "clone",
    "contiguous",
    "alias",
    "detach",
    "detach_",
    "lift_fresh_copy",
    "dropout",
    "native_dropout",
    "feature_dropout",
    "alpha_dropout",
)
def _identity(x: Array, *_: Any, **__: Any) -> Array:
    return x
