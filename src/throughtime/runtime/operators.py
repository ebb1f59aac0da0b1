"""The operators of a graph, as functions of numpy: one small function each, by its name in torch.

Element types follow torch: numbers of Python do not widen an array, and integers divided are float32.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Array = np.ndarray
OPERATORS: dict[str, Callable[..., Any]] = {}
"""Functions by the name of the operator."""


def register(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate the function of operators; a name without a dot is that of a default overload."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            OPERATORS[
                name if name.startswith("operator.") else f"aten.{name}" if "." in name else f"aten.{name}.default"
            ] = function
        return function

    return decorate


def _elementwise(names: Sequence[str], function: Callable[..., Any]) -> None:
    for name in names:
        register(name)(function)


def _float(x: Any) -> Any:
    """Return integers as float32, as torch takes them where a result is not an integer."""
    return np.asarray(x, np.float32) if np.asarray(x).dtype.kind in "biu" else x


def _pair(a: Any, b: Any) -> tuple[Any, Any]:
    """Return operands of one element type: a number of Python takes that of the array, or float32 with integers."""
    for x, y, swap in ((a, b, False), (b, a, True)):
        if isinstance(x, np.ndarray) and isinstance(y, int | float) and not isinstance(y, bool):
            if isinstance(y, float) and x.dtype.kind in "biu":
                x = x.astype(np.float32)  # noqa: PLW2901
            y = np.asarray(y, np.int64 if x.dtype.kind == "b" else x.dtype)  # noqa: PLW2901
            return (y, x) if swap else (x, y)
    return a, b


def _binary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: function(*_pair(a, b))


def _scaled(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b, alpha=1: function(*_pair(a, b if alpha == 1 else _multiply(b, alpha)))


_multiply = _binary(np.multiply)
for _name, _function in {
    "mul": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "remainder": np.mod,
    "fmod": np.fmod,
    "floor_divide": np.floor_divide,
    "pow": np.power,
    "atan2": np.arctan2,
    "copysign": np.copysign,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
}.items():
    _elementwise(
        [_name, f"{_name}.Tensor", f"{_name}.Scalar", f"{_name}.Tensor_Scalar", f"{_name}.Tensor_Tensor"],
        _binary(_function),
    )
for _name, _function in {"add": np.add, "sub": np.subtract}.items():
    _elementwise([f"{_name}.Tensor", f"{_name}.Scalar"], _scaled(_function))
for _name in ("add", "sub", "mul", "floordiv", "mod", "truediv", "neg", "lt", "le", "gt", "ge", "eq", "ne"):
    register(f"operator.{_name}")(getattr(operator, _name))
register("operator.getitem")(operator.getitem)
register("operator.pow")(operator.pow)


@register("rsub.Tensor", "rsub.Scalar")
def _rsub(a: Any, b: Any, alpha: float = 1) -> Any:
    b, a = _pair(b, _multiply(a, alpha) if alpha != 1 else a)
    return np.subtract(b, a)


@register("div.Tensor", "div.Scalar", "div.Tensor_mode", "div.Scalar_mode", "true_divide.Tensor")
def _div(a: Any, b: Any, rounding_mode: str | None = None) -> Any:
    a, b = _pair(a, b)
    if rounding_mode is None:
        return np.divide(_float(a), _float(b))
    return np.floor_divide(a, b) if rounding_mode == "floor" else np.trunc(np.divide(a, b)).astype(np.asarray(a).dtype)


def _unary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: function(_float(x))


def _sigmoid(x: Array) -> Array:
    positive = 1 / (1 + np.exp(-np.abs(x)))
    return np.where(x >= 0, positive, 1 - positive).astype(x.dtype)


_erf = np.vectorize(math.erf, otypes=[np.float64])
for _name, _function in {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "sigmoid": _sigmoid,
    "log_sigmoid": lambda x: -np.logaddexp(0, -x),
    "silu": lambda x: x * _sigmoid(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "erf": lambda x: _erf(x).astype(x.dtype),
}.items():
    register(_name)(_unary(_function))
for _name, _function in {
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "trunc": np.trunc,
    "square": np.square,
    "relu": lambda x: np.maximum(x, 0),
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "logical_not": np.logical_not,
    "bitwise_not": np.invert,
}.items():
    register(_name)(_function)


@register("softplus")
def _softplus(x: Array, beta: float = 1, threshold: float = 20) -> Array:
    scaled = x * beta
    return np.where(scaled > threshold, x, np.logaddexp(0, scaled) / beta).astype(x.dtype)


@register("elu")
def _elu(x: Array, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Array:
    return (np.where(x > 0, x, alpha * np.expm1(x * input_scale)) * scale).astype(x.dtype)


@register("leaky_relu")
def _leaky_relu(x: Array, slope: float = 0.01) -> Array:
    return np.where(x > 0, x, x * np.asarray(slope, x.dtype))


@register("hardtanh")
def _hardtanh(x: Array, low: float = -1, high: float = 1) -> Array:
    return np.clip(x, np.asarray(low, x.dtype), np.asarray(high, x.dtype))


@register("gelu")
def _gelu(x: Array, approximate: str = "none") -> Array:
    if approximate == "tanh":
        return (0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))).astype(x.dtype)
    return (0.5 * x * (1 + _erf(x / math.sqrt(2)))).astype(x.dtype)


@register("nan_to_num")
def _nan_to_num(x: Array, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Array:
    return np.nan_to_num(x, nan=nan or 0.0, posinf=posinf, neginf=neginf)


@register("clamp", "clamp.Tensor")
def _clamp(x: Array, min: Any = None, max: Any = None) -> Array:
    x = x if min is None else np.maximum(*_pair(x, min))
    return x if max is None else np.minimum(*_pair(x, max))


@register("clamp_min", "clamp_min.Tensor")
def _clamp_min(x: Array, bound: Any) -> Array:
    return _clamp(x, bound)


@register("clamp_max", "clamp_max.Tensor")
def _clamp_max(x: Array, bound: Any) -> Array:
    return _clamp(x, None, bound)


@register("addcmul")
def _addcmul(x: Array, a: Array, b: Array, value: float = 1) -> Array:
    return x + (a * b if value == 1 else np.asarray(value, x.dtype) * a * b)


@register("addcdiv")
def _addcdiv(x: Array, a: Array, b: Array, value: float = 1) -> Array:
    return x + (a / b if value == 1 else np.asarray(value, x.dtype) * a / b)


@register("lerp.Tensor", "lerp.Scalar")
def _lerp(a: Array, b: Array, weight: Any) -> Array:
    return a + np.asarray(weight, a.dtype) * (b - a)


@register("where.self", "where.ScalarOther", "where.ScalarSelf", "where.Scalar")
def _where(condition: Array, a: Any, b: Any) -> Array:
    return np.where(condition, *_pair(a, b))


@register("masked_fill.Scalar", "masked_fill.Tensor")
def _masked_fill(x: Array, mask: Array, value: Any) -> Array:
    return np.where(mask, np.asarray(value, x.dtype), x)


# Shapes


@register("view", "reshape", "_unsafe_view")
def _reshape(x: Array, size: Sequence[int]) -> Array:
    return x.reshape(size)


@register("flatten.using_ints")
def _flatten(x: Array, start: int = 0, end: int = -1) -> Array:
    start, end = start % max(x.ndim, 1), end % max(x.ndim, 1)
    return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])


@register("unflatten.int")
def _unflatten(x: Array, axis: int, sizes: Sequence[int]) -> Array:
    axis %= x.ndim
    return x.reshape(*x.shape[:axis], *sizes, *x.shape[axis + 1 :])


@register("expand")
def _expand(x: Array, size: Sequence[int], implicit: bool = False) -> Array:  # noqa: ARG001  torch's
    missing = len(size) - x.ndim
    return np.broadcast_to(x, [x.shape[i - missing] if s == -1 else s for i, s in enumerate(size)])


@register("expand_as")
def _expand_as(x: Array, other: Array) -> Array:
    return np.broadcast_to(x, other.shape)


@register("unsqueeze")
def _unsqueeze(x: Array, axis: int) -> Array:
    return np.expand_dims(x, axis)


@register("squeeze", "squeeze.dim", "squeeze.dims")
def _squeeze(x: Array, axes: int | Sequence[int] | None = None) -> Array:
    chosen = range(x.ndim) if axes is None else [axes] if isinstance(axes, int) else axes
    return np.squeeze(x, tuple(a for a in chosen if x.shape[a] == 1))


@register("permute")
def _permute(x: Array, axes: Sequence[int]) -> Array:
    return np.transpose(x, axes)


@register("transpose.int")
def _transpose(x: Array, a: int, b: int) -> Array:
    return np.swapaxes(x, a, b)


@register("movedim.int", "movedim.intlist")
def _movedim(x: Array, source: Any, target: Any) -> Array:
    return np.moveaxis(x, source, target)


@register("t", "numpy_T")
def _t(x: Array) -> Array:
    return x.T


@register("cat", "concat")
def _cat(arrays: Sequence[Array], axis: int = 0) -> Array:
    return np.concatenate(arrays, axis)


@register("stack")
def _stack(arrays: Sequence[Array], axis: int = 0) -> Array:
    return np.stack(arrays, axis)


@register("unbind.int")
def _unbind(x: Array, axis: int = 0) -> list[Array]:
    return list(np.moveaxis(x, axis, 0))


@register("split.Tensor")
def _split(x: Array, size: int, axis: int = 0) -> list[Array]:
    return np.split(x, range(size, x.shape[axis], size), axis)


@register("split_with_sizes", "split.sizes")
def _split_with_sizes(x: Array, sizes: Sequence[int], axis: int = 0) -> list[Array]:
    return np.split(x, np.cumsum(sizes)[:-1], axis)


@register("chunk")
def _chunk(x: Array, chunks: int, axis: int = 0) -> list[Array]:
    return _split(x, -(-x.shape[axis] // chunks), axis)


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
    return x[tuple(slice(None) if i is None else i for i in indices)]


@register("index_put")
def _index_put(x: Array, indices: Sequence[Array | None], values: Array, accumulate: bool = False) -> Array:
    y, at = x.copy(), tuple(slice(None) if i is None else i for i in indices)
    if accumulate:
        np.add.at(y, at, values)
    else:
        y[at] = values
    return y


@register("index_select")
def _index_select(x: Array, axis: int, index: Array) -> Array:
    return np.take(x, index, axis)


@register("gather")
def _gather(x: Array, axis: int, index: Array, sparse_grad: bool = False) -> Array:  # noqa: ARG001
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
    return np.tile(x, repeats)


@register("repeat_interleave.self_int")
def _repeat_interleave(x: Array, repeats: int, axis: int | None = None) -> Array:
    return np.repeat(x, repeats, axis)


@register("constant_pad_nd")
def _pad(x: Array, pad: Sequence[int], value: float = 0) -> Array:
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    cut = tuple(slice(max(-a, 0), size - max(-b, 0)) for (a, b), size in zip(widths, x.shape, strict=True))
    return np.pad(x[cut], [(max(a, 0), max(b, 0)) for a, b in widths], constant_values=value)


@register("pad")
def _pad_mode(x: Array, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Array:
    if mode != "constant":
        raise NotImplementedError(f"padding by {mode!r}")
    return _pad(x, pad, value or 0)


@register("unfold")
def _unfold(x: Array, axis: int, size: int, step: int) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis % x.ndim)
    return windows[_along(x, axis, slice(None, None, step))]


@register("sym_size.int")
def _sym_size(x: Array, axis: int) -> int:
    return x.shape[axis]


@register("sym_numel")
def _sym_numel(x: Array) -> int:
    return x.size


@register(
    "clone",
    "contiguous",
    "alias",
    "detach",
    "lift_fresh_copy",
    "dropout",
    "native_dropout",
    "feature_dropout",
    "alpha_dropout",
)
def _identity(x: Array, *_: Any, **__: Any) -> Array:
    return x


# New arrays


@register("arange", "arange.start", "arange.start_step")
def _arange(*bounds: Any, dtype: Any = None, **_: Any) -> Array:
    is_float = any(isinstance(bound, float) for bound in bounds)
    return np.arange(*bounds, dtype=dtype or (np.float32 if is_float else np.int64))


def _default(dtype: Any, value: Any) -> Any:
    return dtype or (np.bool_ if isinstance(value, bool) else np.int64 if isinstance(value, int) else np.float32)


@register("zeros", "empty.memory_format", "empty")
def _zeros(size: Sequence[int], *, dtype: Any = None, **_: Any) -> Array:
    return np.zeros(size, dtype or np.float32)


@register("ones")
def _ones(size: Sequence[int], *, dtype: Any = None, **_: Any) -> Array:
    return np.ones(size, dtype or np.float32)


@register("full")
def _full(size: Sequence[int], value: Any, *, dtype: Any = None, **_: Any) -> Array:
    return np.full(size, value, _default(dtype, value))


@register("scalar_tensor")
def _scalar_tensor(value: Any, *, dtype: Any = None, **_: Any) -> Array:
    return np.asarray(value, dtype or np.float32)


@register("zeros_like", "empty_like")
def _zeros_like(x: Array, *, dtype: Any = None, **_: Any) -> Array:
    return np.zeros(x.shape, dtype or x.dtype)


@register("ones_like")
def _ones_like(x: Array, *, dtype: Any = None, **_: Any) -> Array:
    return np.ones(x.shape, dtype or x.dtype)


@register("full_like")
def _full_like(x: Array, value: Any, *, dtype: Any = None, **_: Any) -> Array:
    return np.full(x.shape, value, dtype or x.dtype)


@register("new_zeros", "new_empty")
def _new_zeros(x: Array, size: Sequence[int], *, dtype: Any = None, **_: Any) -> Array:
    return np.zeros(size, dtype or x.dtype)


@register("new_ones")
def _new_ones(x: Array, size: Sequence[int], *, dtype: Any = None, **_: Any) -> Array:
    return np.ones(size, dtype or x.dtype)


@register("new_full")
def _new_full(x: Array, size: Sequence[int], value: Any, *, dtype: Any = None, **_: Any) -> Array:
    return np.full(size, value, dtype or x.dtype)


@register("_to_copy", "to.dtype", "to.dtype_layout")
def _to(x: Array, dtype: Any = None, *_: Any, **__: Any) -> Array:
    return x if dtype is None else np.asarray(x, dtype)


@register("to.device")
def _to_device(x: Array, _: None, dtype: Any = None, *__: Any, **___: Any) -> Array:
    return x if dtype is None else np.asarray(x, dtype)


@register("type_as", "to.other")
def _type_as(x: Array, other: Array, *_: Any, **__: Any) -> Array:
    return np.asarray(x, other.dtype)


# Reductions


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


@register("var.correction", "var.dim", "var")
def _var(x: Array, axes: Any = None, *, correction: float | None = 1, keepdim: bool = False) -> Array:
    return np.var(x, _axes(axes), ddof=1 if correction is None else correction, keepdims=keepdim)


@register("std.correction")
def _std(x: Array, axes: Any = None, *, correction: float | None = 1, keepdim: bool = False) -> Array:
    return np.sqrt(_var(x, axes, correction=correction, keepdim=keepdim))


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
def _argsort(
    x: Array, axis: int = -1, descending: bool = False, *, dim: int | None = None, stable: bool = True
) -> Array:
    axis = axis if dim is None else dim
    if not descending:
        return np.argsort(x, axis, kind="stable")
    reversed_order = np.argsort(np.flip(x, axis), axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - reversed_order, axis)


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
    total = np.log(np.sum(np.exp(x - top), _axes(axes), keepdims=True)) + top
    return total if keepdim else np.squeeze(total, _axes(axes))


@register("log_softmax.int", "_log_softmax")
def _log_softmax(x: Array, axis: int, *_: Any) -> Array:
    return x - _logsumexp(x, axis, keepdim=True)


@register("softmax.int", "_softmax")
def _softmax(x: Array, axis: int, *_: Any) -> Array:
    exponentials = np.exp(x - np.max(x, axis, keepdims=True))
    return exponentials / np.sum(exponentials, axis, keepdims=True)


@register("linalg_vector_norm")
def _vector_norm(x: Array, order: float = 2, axes: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:  # noqa: ARG001
    if order == math.inf:
        return np.max(np.abs(x), _axes(axes), keepdims=keepdim)
    return (np.sum(np.abs(x) ** order, _axes(axes), keepdims=keepdim) ** (1 / order)).astype(x.dtype)


# Products and layers


@register("matmul", "mm", "bmm", "dot", "mv")
def _matmul(a: Array, b: Array) -> Array:
    return np.matmul(a, b)


@register("linear")
def _linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    y = x @ weight.T
    return y if bias is None else y + bias


@register("addmm")
def _addmm(x: Array, a: Array, b: Array, *, beta: float = 1, alpha: float = 1) -> Array:
    return (x if beta == 1 else beta * x) + (a @ b if alpha == 1 else alpha * (a @ b))


@register("baddbmm")
def _baddbmm(x: Array, a: Array, b: Array, *, beta: float = 1, alpha: float = 1) -> Array:
    return _addmm(x, a, b, beta=beta, alpha=alpha)


@register("einsum")
def _einsum(equation: str, arrays: Sequence[Array], *_: Any, **__: Any) -> Array:
    return np.einsum(equation, *arrays)


@register("embedding")
def _embedding(weight: Array, indices: Array, *_: Any) -> Array:
    return weight[indices]


@register("layer_norm")
def _layer_norm(
    x: Array, shape: Sequence[int], weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5, *_: Any
) -> Array:
    axes = tuple(range(-len(shape), 0))
    y = (x - np.mean(x, axes, keepdims=True)) / np.sqrt(np.var(x, axes, keepdims=True) + np.asarray(eps, x.dtype))
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@register("batch_norm")
def _batch_norm(
    x: Array,
    weight: Any,
    bias: Any,
    mean: Array,
    variance: Array,
    training: bool,
    momentum: float,
    eps: float,
    *_: Any,
) -> Array:
    shape = (1, -1, *(1,) * (x.ndim - 2))
    y = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + np.asarray(eps, x.dtype))
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


@register("conv1d")
def _conv1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Array:
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0], padding[0])))
    reach = dilation[0] * (weight.shape[-1] - 1) + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, -1)[:, :, :: stride[0], :: dilation[0]]
    split = windows.reshape(len(x), groups, -1, *windows.shape[2:])
    filters = weight.reshape(groups, -1, *weight.shape[1:])
    y = np.einsum("ngctk,gock->ngot", split, filters, optimize=True).reshape(len(x), len(weight), -1)
    return y if bias is None else y + bias[:, None]


@register("scaled_dot_product_attention")
def _attention(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    dropout: float = 0.0,  # noqa: ARG001
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,  # noqa: ARG001
) -> Array:
    scores = query @ np.swapaxes(key, -1, -2) * np.asarray(scale or query.shape[-1] ** -0.5, query.dtype)
    if is_causal:
        mask = np.tril(np.ones(scores.shape[-2:], np.bool_))
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == np.bool_ else scores + mask
    return _softmax(scores, -1) @ value
