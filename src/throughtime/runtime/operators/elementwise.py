"""Operators that compute every element on its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.runtime.operators.element_types import as_float, promote
from throughtime.runtime.operators.registry import register

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray

_BINARY: dict[str, Callable[..., Any]] = {
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
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
_BINARY_FLOAT: dict[str, Callable[..., Any]] = {
    "atan2": np.arctan2,
    "copysign": np.copysign,
    "hypot": np.hypot,
    "logaddexp": np.logaddexp,
}
_OVERLOADS = ("", ".Tensor", ".Scalar", ".Tensor_Tensor", ".Tensor_Scalar")


def _binary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: function(*promote(a, b))


def _binary_float(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: function(*map(as_float, promote(a, b)))


for _name, _function in _BINARY.items():
    register(*(_name + overload for overload in _OVERLOADS))(_binary(_function))
for _name, _function in _BINARY_FLOAT.items():
    register(*(_name + overload for overload in _OVERLOADS))(_binary_float(_function))


@register("add.Tensor", "add.Scalar")
def _add(a: Any, b: Any, alpha: float = 1) -> Array:
    return np.add(*promote(a, b if alpha == 1 else np.multiply(*promote(b, alpha))))


@register("sub.Tensor", "sub.Scalar")
def _subtract(a: Any, b: Any, alpha: float = 1) -> Array:
    return np.subtract(*promote(a, b if alpha == 1 else np.multiply(*promote(b, alpha))))


@register("rsub.Tensor", "rsub.Scalar")
def _subtract_from(a: Any, b: Any, alpha: float = 1) -> Array:
    return _subtract(b, a, alpha)


@register("div.Tensor", "div.Scalar", "div.Tensor_mode", "div.Scalar_mode", "true_divide.Tensor")
def _divide(a: Any, b: Any, rounding_mode: str | None = None) -> Array:
    a, b = promote(a, b)
    if rounding_mode is None:
        return np.divide(as_float(a), as_float(b))
    if rounding_mode == "floor":
        return np.floor_divide(a, b)
    return np.trunc(np.divide(a, b)).astype(a.dtype)


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, 1, small) / (1 + small)


def _softplus_of(x: Array) -> Array:
    return np.logaddexp(np.zeros((), x.dtype), x)


_erf = np.vectorize(math.erf, otypes=[np.float64])
_UNARY_FLOAT: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "exp2": np.exp2,
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
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sigmoid": _sigmoid,
    "log_sigmoid": lambda x: -_softplus_of(-x),
    "silu": lambda x: x * _sigmoid(x),
    "mish": lambda x: x * np.tanh(_softplus_of(x)),
    "erf": lambda x: _erf(x).astype(x.dtype),
    "softsign": lambda x: x / (1 + np.abs(x)),
}
_UNARY: dict[str, Callable[[Array], Array]] = {
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "sgn": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "trunc": np.trunc,
    "frac": lambda x: x - np.trunc(x),
    "square": np.square,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "logical_not": np.logical_not,
    "bitwise_not": np.invert,
}


def _unary_float(function: Callable[[Array], Array]) -> Callable[[Any], Array]:
    return lambda x: function(as_float(x))


for _name, _function in _UNARY_FLOAT.items():
    register(_name)(_unary_float(_function))
for _name, _function in _UNARY.items():
    register(_name)(_function)


@register("softplus")
def _softplus(x: Array, beta: float = 1, threshold: float = 20) -> Array:
    scaled = x * np.asarray(beta, x.dtype)
    return np.where(scaled > threshold, x, _softplus_of(scaled) / np.asarray(beta, x.dtype))


@register("elu")
def _elu(x: Array, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Array:
    negative = np.asarray(alpha, x.dtype) * np.expm1(x * np.asarray(input_scale, x.dtype))
    return np.where(x > 0, x, negative) * np.asarray(scale, x.dtype)


@register("selu")
def _selu(x: Array) -> Array:
    return _elu(x, 1.6732632423543772, 1.0507009873554805)


@register("celu")
def _celu(x: Array, alpha: float = 1.0) -> Array:
    return _elu(x, alpha, 1, 1 / alpha)


@register("leaky_relu")
def _leaky_relu(x: Array, slope: float = 0.01) -> Array:
    return np.where(x > 0, x, x * np.asarray(slope, x.dtype))


@register("prelu")
def _prelu(x: Array, slope: Array) -> Array:
    return np.where(x > 0, x, x * slope.reshape(-1, *(1,) * max(x.ndim - 2, 0)))


@register("hardtanh")
def _hardtanh(x: Array, low: float = -1, high: float = 1) -> Array:
    return np.clip(x, np.asarray(low, x.dtype), np.asarray(high, x.dtype))


@register("gelu")
def _gelu(x: Array, approximate: str = "none") -> Array:
    if approximate == "tanh":
        inner = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    else:
        inner = _erf(x / math.sqrt(2))
    return (0.5 * x * (1 + inner)).astype(x.dtype)


@register("clamp", "clamp.Tensor")
def _clamp(x: Array, min: Any = None, max: Any = None) -> Array:
    x = x if min is None else np.maximum(*promote(x, min))
    return x if max is None else np.minimum(*promote(x, max))


@register("clamp_min", "clamp_min.Tensor")
def _clamp_min(x: Array, bound: Any) -> Array:
    return _clamp(x, bound)


@register("clamp_max", "clamp_max.Tensor")
def _clamp_max(x: Array, bound: Any) -> Array:
    return _clamp(x, None, bound)


@register("addcmul")
def _addcmul(x: Array, a: Array, b: Array, *, value: float = 1) -> Array:
    x, a, b = promote(x, a, b)
    return x + (a * b if value == 1 else np.asarray(value, x.dtype) * a * b)


@register("addcdiv")
def _addcdiv(x: Array, a: Array, b: Array, *, value: float = 1) -> Array:
    x, a, b = promote(x, a, b)
    return x + (a / b if value == 1 else np.asarray(value, x.dtype) * a / b)


@register("lerp.Tensor", "lerp.Scalar")
def _lerp(a: Array, b: Array, weight: Any) -> Array:
    a, b, weight = promote(a, b, weight)
    return a + weight * (b - a)


@register("where.self", "where.ScalarOther", "where.ScalarSelf", "where.Scalar")
def _where(condition: Array, a: Any, b: Any) -> Array:
    a, b = promote(a, b)
    promote(condition, a)  # for its check of the shapes
    return np.where(condition, a, b)


@register("masked_fill.Scalar", "masked_fill.Tensor")
def _masked_fill(x: Array, mask: Array, value: Any) -> Array:
    promote(x, mask)
    return np.where(mask, np.asarray(value, x.dtype), x)


@register("nan_to_num")
def _nan_to_num(x: Array, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Array:
    return np.nan_to_num(x, nan=nan or 0.0, posinf=posinf, neginf=neginf)
