"""The pointwise operators of a graph as expressions of C: one line each.

To add an operator, add a line; the functions that it calls are those of `functions.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

POINTWISE: dict[str, Callable[..., str]] = {}
"""Functions from the operands, as C or as numbers of Python, to an expression, by the name of the operator."""


def number(value: Any) -> str:
    """Return a number as a literal of type float, or an operand as it is."""
    if isinstance(value, str):
        return value
    text = format(float(value), ".9g")
    if text in ("inf", "-inf", "nan"):
        raise InputError(f"export to C: expected finite constants, got {text}")
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _add(names: str, function: Callable[..., str]) -> None:
    for name in names.split():
        POINTWISE[f"aten.{name}" if "." in name else f"aten.{name}.default"] = function


def _template(text: str) -> Callable[..., str]:
    """Return the function of a template; options of the operator have their defaults in it."""
    return lambda *operands: text.format(*map(number, operands))


def _infix(sign: str) -> Callable[..., str]:
    def expression(a: Any, b: Any, alpha: float = 1) -> str:
        right = number(b) if alpha == 1 else f"{number(alpha)} * {number(b)}"
        return f"{number(a)} {sign} {right}"

    return expression


def _power(x: Any, exponent: Any) -> str:
    if exponent not in (2, 3):
        raise InputError(f"export to C: expected a power of 2 or 3, got {exponent}")
    return " * ".join([number(x)] * int(exponent))


def _clamp(x: Any, low: Any = None, high: Any = None) -> str:
    text = number(x)
    for name, bound in (("larger", low), ("smaller", high)):
        text = text if bound is None else f"{name}({text}, {number(bound)})"
    return text


for _name, _sign in {"add": "+", "sub": "-", "mul": "*", "div": "/"}.items():
    _add(f"{_name}.Tensor {_name}.Scalar", _infix(_sign))
_add("rsub.Tensor rsub.Scalar", lambda a, b, alpha=1: _infix("-")(b, a, alpha))
_add("neg", _template("-{0}"))
_add("abs", _template("larger({0}, -{0})"))
_add("square", _template("{0} * {0}"))
_add("reciprocal", _template("1.0f / {0}"))
_add("maximum", _template("larger({0}, {1})"))
_add("minimum", _template("smaller({0}, {1})"))
_add("pow.Tensor_Scalar", _power)
_add(
    "addcmul",
    lambda x, a, b, value=1: f"{number(x)} + {'' if value == 1 else number(value) + ' * '}{number(a)} * {number(b)}",
)
_add("lerp.Tensor lerp.Scalar", _template("{0} + {2} * ({1} - {0})"))
_add("exp", _template("exponential({0})"))
_add("tanh", _template("hyperbolic_tangent({0})"))
_add("sigmoid", _template("sigmoid({0})"))
_add("silu", _template("{0} * sigmoid({0})"))
_add("relu", _template("larger({0}, 0.0f)"))
_add("leaky_relu", lambda x, slope=0.01: f"larger({number(x)}, 0.0f) + {number(slope)} * smaller({number(x)}, 0.0f)")
_add(
    "elu",
    lambda x, alpha=1, scale=1, rate=1: (
        f"{number(scale)} * (larger({number(x)}, 0.0f) + "
        f"{number(alpha)} * (exponential(smaller({number(rate)} * {number(x)}, 0.0f)) - 1.0f))"
    ),
)
_add("hardtanh", lambda x, low=-1, high=1: _clamp(x, low, high))
_add("clamp clamp_min", _clamp)
_add("clamp_max", lambda x, high: _clamp(x, None, high))
_add("hardsigmoid", _template("larger(smaller({0} / 6.0f + 0.5f, 1.0f), 0.0f)"))
