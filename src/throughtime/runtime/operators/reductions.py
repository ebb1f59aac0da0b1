"""Operators that reduce or run along axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from throughtime.runtime.operators.registry import register

Array = np.ndarray


def _axes(axes: Any) -> Any:
    return None if axes is None or axes == [] else tuple(axes) if isinstance(axes, list | tuple) else axes


@register("sum", "sum.dim_IntList")
def _sum(x: Array, axes: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    return np.sum(x, _axes(axes), dtype or (np.int64 if x.dtype.kind in "biu" else x.dtype), keepdims=keepdim)


@register("prod", "prod.dim_int")
def _prod(x: Array, axes: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    return np.prod(x, _axes(axes), dtype or (np.int64 if x.dtype.kind in "biu" else x.dtype), keepdims=keepdim)


@register("mean", "mean.dim")
def _mean(x: Array, axes: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    return np.mean(x, _axes(axes), dtype or x.dtype, keepdims=keepdim)


@register("var.correction")
def _var(x: Array, axes: Any = None, *, correction: float | None = None, keepdim: bool = False) -> Array:
    return np.var(x, _axes(axes), ddof=1 if correction is None else correction, keepdims=keepdim)


@register("std.correction")
def _std(x: Array, axes: Any = None, *, correction: float | None = None, keepdim: bool = False) -> Array:
    return np.sqrt(_var(x, axes, correction=correction, keepdim=keepdim))


@register("var.dim")
def _var_dim(x: Array, axes: Any = None, unbiased: bool = True, keepdim: bool = False) -> Array:
    return _var(x, axes, correction=int(unbiased), keepdim=keepdim)


@register("std.dim")
def _std_dim(x: Array, axes: Any = None, unbiased: bool = True, keepdim: bool = False) -> Array:
    return np.sqrt(_var_dim(x, axes, unbiased, keepdim))


@register("var")
def _var_all(x: Array, unbiased: bool = True) -> Array:
    return _var(x, correction=int(unbiased))


@register("std")
def _std_all(x: Array, unbiased: bool = True) -> Array:
    return np.sqrt(_var_all(x, unbiased))


@register("amax")
def _amax(x: Array, axes: Any = None, keepdim: bool = False) -> Array:
    return np.max(x, _axes(axes), keepdims=keepdim)


@register("amin")
def _amin(x: Array, axes: Any = None, keepdim: bool = False) -> Array:
    return np.min(x, _axes(axes), keepdims=keepdim)


@register("max")
def _max(x: Array) -> Array:
    return np.max(x)


@register("min")
def _min(x: Array) -> Array:
    return np.min(x)


@register("max.dim")
def _max_dim(x: Array, axis: int, keepdim: bool = False) -> tuple[Array, Array]:
    return np.max(x, axis, keepdims=keepdim), np.argmax(x, axis, keepdims=keepdim)


@register("min.dim")
def _min_dim(x: Array, axis: int, keepdim: bool = False) -> tuple[Array, Array]:
    return np.min(x, axis, keepdims=keepdim), np.argmin(x, axis, keepdims=keepdim)


@register("argmax")
def _argmax(x: Array, axis: int | None = None, keepdim: bool = False) -> Array:
    return np.argmax(x, axis, keepdims=keepdim)


@register("argmin")
def _argmin(x: Array, axis: int | None = None, keepdim: bool = False) -> Array:
    return np.argmin(x, axis, keepdims=keepdim)


@register("argsort", "argsort.stable")
def _argsort(x: Array, axis: int = -1, descending: bool = False, *, dim: int | None = None, **_: Any) -> Array:
    axis = axis if dim is None else dim
    if not descending:
        return np.argsort(x, axis, kind="stable")
    reversed_order = np.argsort(np.flip(x, axis), axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - reversed_order, axis)


@register("sort", "sort.stable")
def _sort(x: Array, axis: int = -1, descending: bool = False, *, dim: int | None = None, **_: Any) -> list[Array]:
    axis = axis if dim is None else dim
    order = _argsort(x, axis, descending)
    return [np.take_along_axis(x, order, axis), order]


@register("any", "any.dim", "any.dims")
def _any(x: Array, axes: Any = None, keepdim: bool = False) -> Array:
    return np.any(x, _axes(axes), keepdims=keepdim)


@register("all", "all.dim", "all.dims")
def _all(x: Array, axes: Any = None, keepdim: bool = False) -> Array:
    return np.all(x, _axes(axes), keepdims=keepdim)


@register("cumsum")
def _cumsum(x: Array, axis: int, *, dtype: Any = None) -> Array:
    return np.cumsum(x, axis, dtype or (np.int64 if x.dtype.kind in "biu" else x.dtype))


@register("cumprod")
def _cumprod(x: Array, axis: int, *, dtype: Any = None) -> Array:
    return np.cumprod(x, axis, dtype or (np.int64 if x.dtype.kind in "biu" else x.dtype))


@register("logsumexp")
def _logsumexp(x: Array, axes: Any, keepdim: bool = False) -> Array:
    top = np.max(x, _axes(axes), keepdims=True)
    top = np.where(np.isfinite(top), top, np.asarray(0, x.dtype))
    total = np.log(np.sum(np.exp(x - top), _axes(axes), keepdims=True)) + top
    return total if keepdim else np.squeeze(total, _axes(axes))


@register("log_softmax.int", "_log_softmax")
def _log_softmax(x: Array, axis: int, *_: Any) -> Array:
    return x - _logsumexp(x, axis, keepdim=True)


@register("softmax.int", "_softmax", "_safe_softmax")
def softmax(x: Array, axis: int, dtype: Any = None, *_: Any) -> Array:
    """Return exponentials along an axis, divided by their sum."""
    x = x if dtype is None or isinstance(dtype, bool) else np.asarray(x, dtype)
    exponentials = np.exp(x - np.max(x, axis, keepdims=True)) if x.size else x
    return exponentials / np.sum(exponentials, axis, keepdims=True)


@register("linalg_vector_norm")
def _vector_norm(x: Array, order: float = 2, axes: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:  # noqa: ARG001
    if order == math.inf:
        return np.max(np.abs(x), _axes(axes), keepdims=keepdim)
    total = np.sum(np.abs(x) ** np.asarray(order, x.dtype), _axes(axes), keepdims=keepdim)
    return total ** np.asarray(1 / order, x.dtype)
