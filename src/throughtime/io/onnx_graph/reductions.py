"""Operators that reduce or run along axes, in ONNX."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.io.onnx_graph.translator import Ref, translates

if TYPE_CHECKING:
    from throughtime.io.onnx_graph.translator import Translator


def _axes(axes: Any) -> dict[str, Any]:
    if axes is None or axes == []:
        return {}
    return {"axes": [axes] if isinstance(axes, int) else [*axes]}


def _sum_of(t: Translator, name: str, axes: Any, *, keepdim: bool) -> str:
    chosen = _axes(axes)
    inputs = [name, t.constant(chosen["axes"])] if chosen else [name]
    return t.add("ReduceSum", *inputs, keepdims=int(keepdim))


@translates("sum", "sum.dim_IntList")
def _sum(t: Translator, x: Ref, axes: Any = None, keepdim: bool = False, *, dtype: Any = None) -> str:
    kind = dtype or (np.dtype(np.int64) if x.dtype.kind in "biu" else x.dtype)
    return _sum_of(t, t.cast(x, kind), axes, keepdim=keepdim)


@translates("prod", "prod.dim_int")
def _prod(t: Translator, x: Ref, axes: Any = None, keepdim: bool = False, *, dtype: Any = None) -> str:
    kind = dtype or (np.dtype(np.int64) if x.dtype.kind in "biu" else x.dtype)
    return t.add("ReduceProd", t.cast(x, kind), keepdims=int(keepdim), **_axes(axes))


@translates("mean", "mean.dim")
def _mean(t: Translator, x: Ref, axes: Any = None, keepdim: bool = False, *, dtype: Any = None) -> str:
    return t.add("ReduceMean", x.name if dtype is None else t.cast(x, dtype), keepdims=int(keepdim), **_axes(axes))


@translates("amax", "max")
def _amax(t: Translator, x: Ref, axes: Any = None, keepdim: bool = False) -> str:
    return t.add("ReduceMax", x.name, keepdims=int(keepdim), **_axes(axes))


@translates("amin", "min")
def _amin(t: Translator, x: Ref, axes: Any = None, keepdim: bool = False) -> str:
    return t.add("ReduceMin", x.name, keepdims=int(keepdim), **_axes(axes))


@translates("argmax")
def _argmax(t: Translator, x: Ref, axis: int | None = None, keepdim: bool = False) -> str:
    return _position(t, "ArgMax", x, axis, keepdim=keepdim)


@translates("argmin")
def _argmin(t: Translator, x: Ref, axis: int | None = None, keepdim: bool = False) -> str:
    return _position(t, "ArgMin", x, axis, keepdim=keepdim)


def _position(t: Translator, operator: str, x: Ref, axis: int | None, *, keepdim: bool) -> str:
    if axis is None:
        return t.add(operator, t.add("Reshape", x.name, t.constant([-1])), axis=0, keepdims=0)
    return t.add(operator, x.name, axis=axis, keepdims=int(keepdim))


@translates("max.dim")
def _max_dim(t: Translator, x: Ref, axis: int, keepdim: bool = False) -> list[str]:
    return [_amax(t, x, axis, keepdim), _argmax(t, x, axis, keepdim)]


@translates("min.dim")
def _min_dim(t: Translator, x: Ref, axis: int, keepdim: bool = False) -> list[str]:
    return [_amin(t, x, axis, keepdim), _argmin(t, x, axis, keepdim)]


def _of_truth(t: Translator, operator: str, x: Ref, axes: Any, *, keepdim: bool) -> str:
    numbers = t.add("Cast", t.cast(x, np.bool_), to=t.kind(np.int32))
    return t.add("Cast", t.add(operator, numbers, keepdims=int(keepdim), **_axes(axes)), to=t.kind(np.bool_))


@translates("any", "any.dim", "any.dims")
def _any(t: Translator, x: Ref, axes: Any = None, keepdim: bool = False) -> str:
    return _of_truth(t, "ReduceMax", x, axes, keepdim=keepdim)


@translates("all", "all.dim", "all.dims")
def _all(t: Translator, x: Ref, axes: Any = None, keepdim: bool = False) -> str:
    return _of_truth(t, "ReduceMin", x, axes, keepdim=keepdim)


@translates("sort", "sort.stable")
def _sort(
    t: Translator,
    x: Ref,
    axis: int = -1,
    descending: bool = False,
    *,
    dim: int | None = None,
    stable: bool | None = None,  # noqa: ARG001 - TopK takes equal values in their order
) -> list[str]:
    axis = axis if dim is None else dim
    return t.add("TopK", x.name, t.size(x, axis), outputs=2, axis=axis, largest=int(descending), sorted=1)


@translates("argsort", "argsort.stable")
def _argsort(t: Translator, x: Ref, axis: int = -1, descending: bool = False, **keywords: Any) -> str:
    return _sort(t, x, axis, descending, **keywords)[1]


@translates("cumsum")
def _cumsum(t: Translator, x: Ref, axis: int, *, dtype: Any = None) -> str:
    kind = dtype or (np.dtype(np.int64) if x.dtype.kind in "biu" else x.dtype)
    return t.add("CumSum", t.cast(x, kind), t.constant(axis))


def _variance(t: Translator, x: Ref, axes: Any, correction: float, *, keepdim: bool) -> str:
    chosen = _axes(axes).get("axes", [*range(x.ndim)])
    mean = t.add("ReduceMean", x.name, keepdims=1, axes=chosen)
    rest = t.add("Sub", x.name, mean)
    total = _sum_of(t, t.add("Mul", rest, rest), chosen, keepdim=keepdim)
    sizes = t.add("Gather", t.shape(x), t.constant([axis % x.ndim for axis in chosen]))
    count = t.add("Cast", t.add("ReduceProd", sizes, keepdims=0), to=t.kind(x.dtype))
    return t.add("Div", total, t.add("Sub", count, t.constant(correction, x.dtype)))


@translates("var.correction")
def _var(t: Translator, x: Ref, axes: Any = None, *, correction: float | None = None, keepdim: bool = False) -> str:
    return _variance(t, x, axes, 1 if correction is None else correction, keepdim=keepdim)


@translates("std.correction")
def _std(t: Translator, x: Ref, axes: Any = None, *, correction: float | None = None, keepdim: bool = False) -> str:
    return t.add("Sqrt", _var(t, x, axes, correction=correction, keepdim=keepdim))


@translates("var.dim")
def _var_dim(t: Translator, x: Ref, axes: Any = None, unbiased: bool = True, keepdim: bool = False) -> str:
    return _variance(t, x, axes, int(unbiased), keepdim=keepdim)


@translates("std.dim")
def _std_dim(t: Translator, x: Ref, axes: Any = None, unbiased: bool = True, keepdim: bool = False) -> str:
    return t.add("Sqrt", _variance(t, x, axes, int(unbiased), keepdim=keepdim))


@translates("logsumexp")
def _logsumexp(t: Translator, x: Ref, axes: Any, keepdim: bool = False) -> str:
    return t.add("ReduceLogSumExp", x.name, keepdims=int(keepdim), **_axes(axes))


@translates("softmax.int", "_softmax", "_safe_softmax")
def softmax(t: Translator, x: Ref, axis: int, *_: Any) -> str:
    """Add exponentials along an axis, divided by their sum."""
    return t.add("Softmax", x.name, axis=axis)


@translates("log_softmax.int", "_log_softmax")
def _log_softmax(t: Translator, x: Ref, axis: int, *_: Any) -> str:
    return t.add("LogSoftmax", x.name, axis=axis)


@translates("linalg_vector_norm")
def _vector_norm(
    t: Translator,
    x: Ref,
    order: float = 2,
    axes: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,  # noqa: ARG001
) -> str:
    if order == math.inf:
        return t.add("ReduceMax", t.add("Abs", x.name), keepdims=int(keepdim), **_axes(axes))
    if order not in (1, 2):
        raise InputError(f"the norm of order {order} has no counterpart in ONNX here")
    return t.add(f"ReduceL{int(order)}", x.name, keepdims=int(keepdim), **_axes(axes))
