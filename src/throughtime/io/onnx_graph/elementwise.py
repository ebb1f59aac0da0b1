"""Operators that compute every element on its own, in ONNX."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.io.onnx_graph.translator import TRANSLATIONS, Ref, translates

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughtime.io.onnx_graph.translator import Translator

_OVERLOADS = ("", ".Tensor", ".Scalar", ".Tensor_Tensor", ".Tensor_Scalar")
_BINARY = {"mul": "Mul", "maximum": "Max", "minimum": "Min", "pow": "Pow"}
_COMPARISONS = {"gt": "Greater", "ge": "GreaterOrEqual", "lt": "Less", "le": "LessOrEqual", "eq": "Equal"}
_LOGICAL = {"and": "And", "or": "Or", "xor": "Xor"}
_UNARY = {"neg": "Neg", "abs": "Abs", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "round": "Round"}
_UNARY_FLOAT = {
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "reciprocal": "Reciprocal",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "erf": "Erf",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "asin": "Asin",
    "acos": "Acos",
    "atan": "Atan",
    "asinh": "Asinh",
    "acosh": "Acosh",
    "atanh": "Atanh",
    "relu": "Relu",
    "isnan": "IsNaN",
    "isinf": "IsInf",
    "softsign": "Softsign",
}


def _with_overloads(name: str) -> list[str]:
    return [name + overload for overload in _OVERLOADS]


def _binary(operator: str) -> Callable[..., str]:
    def translate(t: Translator, a: Any, b: Any) -> str:
        return t.add(operator, *t.promote(a, b)[0])

    return translate


def _unary(operator: str) -> Callable[..., str]:
    return lambda t, x: t.add(operator, x.name)


def _unary_float(operator: str) -> Callable[..., str]:
    return lambda t, x: t.add(operator, t.as_float(x))


def _logical(operator: str) -> Callable[..., str]:
    return lambda t, a, b: t.add(operator, t.cast(a, np.bool_), t.cast(b, np.bool_))


for _name, _operator in {**_BINARY, **_COMPARISONS}.items():
    translates(*_with_overloads(_name))(_binary(_operator))
for _name, _operator in _LOGICAL.items():
    translates(*_with_overloads(f"logical_{_name}"), *_with_overloads(f"bitwise_{_name}"))(_logical(_operator))
for _name, _operator in _UNARY.items():
    translates(_name)(_unary(_operator))
for _name, _operator in _UNARY_FLOAT.items():
    translates(_name)(_unary_float(_operator))
for _name, _operator in {"add": "Add", "sub": "Sub", "mul": "Mul", "floordiv": "Div"}.items():  # of sizes
    TRANSLATIONS[f"operator.{_name}"] = _binary(_operator)
for _name, _operator in {"sym_max": "Max", "sym_min": "Min"}.items():
    TRANSLATIONS[f"torch.{_name}"] = _binary(_operator)


@translates(*_with_overloads("ne"))
def _not_equal(t: Translator, a: Any, b: Any) -> str:
    return t.add("Not", t.add("Equal", *t.promote(a, b)[0]))


@translates("logical_not", "bitwise_not")
def _not(t: Translator, x: Ref) -> str:
    return t.add("Not", t.cast(x, np.bool_))


@translates("isfinite")
def _is_finite(t: Translator, x: Ref) -> str:
    return t.add("Not", t.add("Or", t.add("IsNaN", x.name), t.add("IsInf", x.name)))


@translates("add.Tensor", "add.Scalar")
def _add(t: Translator, a: Any, b: Any, alpha: float = 1) -> str:
    (x, y), dtype = t.promote(a, b)
    return t.add("Add", x, y if alpha == 1 else t.add("Mul", y, t.constant(alpha, dtype)))


@translates("sub.Tensor", "sub.Scalar")
def _subtract(t: Translator, a: Any, b: Any, alpha: float = 1) -> str:
    (x, y), dtype = t.promote(a, b)
    return t.add("Sub", x, y if alpha == 1 else t.add("Mul", y, t.constant(alpha, dtype)))


@translates("rsub.Tensor", "rsub.Scalar")
def _subtract_from(t: Translator, a: Any, b: Any, alpha: float = 1) -> str:
    return _subtract(t, b, a, alpha)


@translates("div.Tensor", "div.Scalar", "div.Tensor_mode", "div.Scalar_mode", "true_divide.Tensor")
def _divide(t: Translator, a: Any, b: Any, rounding_mode: str | None = None) -> str:
    (x, y), dtype = t.promote(a, b)
    if rounding_mode is None:
        kind = dtype if dtype.kind == "f" else np.dtype(np.float32)
        return t.add("Div", t.cast(a, kind), t.cast(b, kind))
    quotient = t.add("Div", x, y)  # of integers, towards zero
    if dtype.kind != "f":
        return quotient if rounding_mode == "trunc" else _floor_of_integers(t, x, y, quotient, dtype)
    if rounding_mode == "floor":
        return t.add("Floor", quotient)
    return t.add("Mul", t.add("Sign", quotient), t.add("Floor", t.add("Abs", quotient)))


@translates(*_with_overloads("floor_divide"))
def _floor_divide(t: Translator, a: Any, b: Any) -> str:
    return _divide(t, a, b, "floor")


def _floor_of_integers(t: Translator, x: str, y: str, quotient: str, dtype: Any) -> str:
    """Subtract 1 where the rest and the divisor have different signs."""
    rest = t.add("Sub", x, t.add("Mul", quotient, y))
    differ = t.add("Less", t.add("Mul", rest, y), t.constant(0, dtype))
    return t.add("Sub", quotient, t.add("Cast", differ, to=t.kind(dtype)))


@translates(*_with_overloads("remainder"))
def _remainder(t: Translator, a: Any, b: Any) -> str:
    (x, y), dtype = t.promote(a, b)
    if dtype.kind != "f":
        return t.add("Mod", x, y)
    return t.add("Sub", x, t.add("Mul", t.add("Floor", t.add("Div", x, y)), y))


@translates(*_with_overloads("copysign"))
def _copysign(t: Translator, a: Any, b: Any) -> str:
    (x, y), dtype = t.promote(a, b)
    size = t.add("Abs", x)
    return t.add("Where", t.add("Less", y, t.constant(0, dtype)), t.add("Neg", size), size)


def _scaled_log(factor: float) -> Callable[..., str]:
    return lambda t, x: t.add("Mul", t.add("Log", t.as_float(x)), t.constant(factor, x.dtype))


translates("log2")(_scaled_log(1 / math.log(2)))
translates("log10")(_scaled_log(1 / math.log(10)))


@translates("log1p")
def _log1p(t: Translator, x: Ref) -> str:
    """Return log(u) x / (u - 1) with u = 1 + x rounded, whose errors cancel (Kahan)."""
    one = t.constant(1, x.dtype)
    u = t.add("Add", one, x.name)
    rest = t.add("Sub", u, one)
    is_zero = t.add("Equal", rest, t.constant(0, x.dtype))
    divisor = t.add("Where", is_zero, one, rest)
    value = t.add("Mul", t.add("Log", u), t.add("Div", x.name, divisor))
    is_large = t.add("Greater", t.add("Abs", x.name), t.constant(1e4, x.dtype))  # and infinity
    return t.add("Where", is_zero, x.name, t.add("Where", is_large, t.add("Log", u), value))


@translates("expm1")
def _expm1(t: Translator, x: Ref) -> str:
    """Return tanh(x/2) (exp(x) + 1) near zero, where it is exact."""
    one = t.constant(1, x.dtype)
    e = t.add("Exp", x.name)
    near = t.add("Mul", t.add("Tanh", t.add("Mul", x.name, t.constant(0.5, x.dtype))), t.add("Add", e, one))
    is_near = t.add("Less", t.add("Abs", x.name), t.constant(0.5, x.dtype))
    return t.add("Where", is_near, near, t.add("Sub", e, one))


@translates("square")
def _square(t: Translator, x: Ref) -> str:
    return t.add("Mul", x.name, x.name)


@translates("rsqrt")
def _rsqrt(t: Translator, x: Ref) -> str:
    return t.add("Reciprocal", t.add("Sqrt", t.as_float(x)))


@translates("trunc")
def _trunc(t: Translator, x: Ref) -> str:
    return t.add("Mul", t.add("Sign", x.name), t.add("Floor", t.add("Abs", x.name)))


@translates("softplus")
def _softplus(t: Translator, x: Ref, beta: float = 1, threshold: float = 20) -> str:
    scaled = t.add("Mul", x.name, t.constant(beta, x.dtype))
    # max(s, 0) + log(1 + exp(-|s|)) never overflows
    small = t.add("Exp", t.add("Neg", t.add("Abs", scaled)))
    log = t.add("Log", t.add("Add", small, t.constant(1, x.dtype)))
    value = t.add("Div", t.add("Add", t.add("Relu", scaled), log), t.constant(beta, x.dtype))
    return t.add("Where", t.add("Greater", scaled, t.constant(threshold, x.dtype)), x.name, value)


@translates("log_sigmoid")
def _log_sigmoid(t: Translator, x: Ref) -> str:
    return t.add("Neg", _softplus(t, Ref(t.add("Neg", x.name), x.sample)))


@translates("silu")
def _silu(t: Translator, x: Ref) -> str:
    return t.add("Mul", x.name, t.add("Sigmoid", x.name))


@translates("mish")
def _mish(t: Translator, x: Ref) -> str:
    return t.add("Mul", x.name, t.add("Tanh", _softplus(t, x)))


@translates("gelu")
def _gelu(t: Translator, x: Ref, approximate: str = "none") -> str:
    def number(value: float) -> str:
        return t.constant(value, x.dtype)

    if approximate == "tanh":
        cube = t.add("Mul", t.add("Mul", t.add("Mul", x.name, x.name), x.name), number(0.044715))
        inner = t.add("Tanh", t.add("Mul", t.add("Add", x.name, cube), number(math.sqrt(2 / math.pi))))
    else:
        inner = t.add("Erf", t.add("Mul", x.name, number(math.sqrt(0.5))))
    return t.add("Mul", t.add("Mul", x.name, number(0.5)), t.add("Add", inner, number(1)))


@translates("elu")
def _elu(t: Translator, x: Ref, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> str:
    scaled = Ref(t.add("Mul", x.name, t.constant(input_scale, x.dtype)), x.sample)
    negative = t.add("Mul", _expm1(t, scaled), t.constant(alpha, x.dtype))
    chosen = t.add("Where", t.add("Greater", x.name, t.constant(0, x.dtype)), x.name, negative)
    return t.add("Mul", chosen, t.constant(scale, x.dtype))


@translates("selu")
def _selu(t: Translator, x: Ref) -> str:
    return _elu(t, x, 1.6732632423543772, 1.0507009873554805)


@translates("leaky_relu")
def _leaky_relu(t: Translator, x: Ref, slope: float = 0.01) -> str:
    return t.add("LeakyRelu", x.name, alpha=float(slope))


@translates("hardtanh")
def _hardtanh(t: Translator, x: Ref, low: float = -1, high: float = 1) -> str:
    return t.add("Clip", x.name, t.constant(low, x.dtype), t.constant(high, x.dtype))


@translates("relu6")
def _relu6(t: Translator, x: Ref) -> str:
    return _hardtanh(t, x, 0, 6)


@translates("hardsigmoid")
def _hardsigmoid(t: Translator, x: Ref) -> str:
    moved = Ref(t.add("Add", x.name, t.constant(3, x.dtype)), x.sample)
    return t.add("Div", _relu6(t, moved), t.constant(6, x.dtype))


@translates("hardswish")
def _hardswish(t: Translator, x: Ref) -> str:
    return t.add("Mul", x.name, _hardsigmoid(t, x))


@translates("clamp", "clamp.Tensor")
def _clamp(t: Translator, x: Ref, min: Any = None, max: Any = None) -> str:
    name, dtype = x.name, t.result_type(x, *(bound for bound in (min, max) if bound is not None))
    for operator, bound in (("Max", min), ("Min", max)):
        if bound is not None:
            name = t.add(operator, t.cast(Ref(name, x.sample), dtype) if name == x.name else name, t.cast(bound, dtype))
    return name


@translates("clamp_min", "clamp_min.Tensor")
def _clamp_min(t: Translator, x: Ref, bound: Any) -> str:
    return _clamp(t, x, bound)


@translates("clamp_max", "clamp_max.Tensor")
def _clamp_max(t: Translator, x: Ref, bound: Any) -> str:
    return _clamp(t, x, None, bound)


@translates("addcmul")
def _addcmul(t: Translator, x: Ref, a: Ref, b: Ref, *, value: float = 1) -> str:
    (x_, a_, b_), dtype = t.promote(x, a, b)
    product = t.add("Mul", a_, b_)
    return t.add("Add", x_, product if value == 1 else t.add("Mul", product, t.constant(value, dtype)))


@translates("addcdiv")
def _addcdiv(t: Translator, x: Ref, a: Ref, b: Ref, *, value: float = 1) -> str:
    (x_, a_, b_), dtype = t.promote(x, a, b)
    quotient = t.add("Div", a_, b_)
    return t.add("Add", x_, quotient if value == 1 else t.add("Mul", quotient, t.constant(value, dtype)))


@translates("lerp.Tensor", "lerp.Scalar")
def _lerp(t: Translator, a: Ref, b: Ref, weight: Any) -> str:
    (a_, b_, weight_), _ = t.promote(a, b, weight)
    return t.add("Add", a_, t.add("Mul", weight_, t.add("Sub", b_, a_)))


@translates("where.self", "where.ScalarOther", "where.ScalarSelf", "where.Scalar")
def _where(t: Translator, condition: Ref, a: Any, b: Any) -> str:
    (x, y), _ = t.promote(a, b)
    return t.add("Where", condition.name, x, y)


@translates("masked_fill.Scalar", "masked_fill.Tensor")
def _masked_fill(t: Translator, x: Ref, mask: Ref, value: Any) -> str:
    return t.add("Where", mask.name, t.cast(value, x.dtype), x.name)


@translates("nan_to_num")
def _nan_to_num(
    t: Translator, x: Ref, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> str:
    limits = np.finfo(x.dtype)
    low, high = limits.min if neginf is None else neginf, limits.max if posinf is None else posinf
    finite = t.add("Clip", x.name, t.constant(low, x.dtype), t.constant(high, x.dtype))
    return t.add("Where", t.add("IsNaN", x.name), t.constant(nan or 0.0, x.dtype), finite)


@translates("_to_copy", "to.dtype", "to.dtype_layout")
def _to(t: Translator, x: Ref, dtype: Any = None, *_: Any, **__: Any) -> str:
    return x.name if dtype is None else t.cast(x, dtype)


@translates("type_as", "to.other")
def _type_as(t: Translator, x: Ref, other: Ref, *_: Any, **__: Any) -> str:
    return t.cast(x, other.dtype)


@translates("clone", "contiguous", "alias", "detach", "detach_", "lift_fresh_copy", "dropout", "feature_dropout")
def _identity(t: Translator, x: Ref, *_: Any, **__: Any) -> str:  # noqa: ARG001
    return x.name
