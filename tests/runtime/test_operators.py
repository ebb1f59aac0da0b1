"""Every operator of graphs: numpy computes what torch computes, with the same element types and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.tolerances import assert_close

from throughtime.runtime.operators import OPERATORS, Budget
from throughtime.runtime.operators.registry import register

FLOATS = (torch.float32, torch.float64)
X, Y, POSITIVE, UNIT = "x", "y", "positive", "unit"
MASK, INDEX, SCALAR, INTEGERS, ROW, SMALL = "mask", "index", "scalar", "integers", "row", "small"

UNARY = [
    "neg",
    "abs",
    "sign",
    "floor",
    "ceil",
    "round",
    "trunc",
    "frac",
    "square",
    "relu",
    "relu6",
    "hardsigmoid",
    "hardswish",
    "isnan",
    "isinf",
    "isfinite",
    "exp",
    "exp2",
    "expm1",
    "tanh",
    "sinh",
    "cosh",
    "sin",
    "cos",
    "tan",
    "atan",
    "asinh",
    "sigmoid",
    "log_sigmoid",
    "silu",
    "mish",
    "erf",
    "gelu",
    "elu",
    "selu",
    "celu",
    "leaky_relu",
    "hardtanh",
    "softplus",
    "logical_not",
    "sum",
    "mean",
    "prod",
    "amax",
    "amin",
    "max",
    "min",
    "argmax",
    "argmin",
    "any",
    "all",
    "t",
    "nan_to_num",
    "var",
    "std",
    "ones_like",
    "zeros_like",
]
BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "gt",
    "ge",
    "lt",
    "le",
    "eq",
    "ne",
    "remainder",
    "fmod",
    "floor_divide",
    "copysign",
]
OF_INTEGERS = ["add", "sub", "mul", "div", "floor_divide", "remainder", "gt"]
OF_TENSORS = ["maximum", "minimum", "logical_and", "logical_or"]
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *((name, (X,), {}) for name in UNARY),
    *((name, (POSITIVE,), {}) for name in ("log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal", "acosh")),
    *((name, (UNIT,), {}) for name in ("asin", "acos", "atanh")),
    *((name, (X, other), {}) for name in BINARY for other in (2, 1.5)),
    *((name, (X, other), {}) for name in BINARY + OF_TENSORS for other in (Y, ROW, SCALAR, INTEGERS)),
    *(
        (name, (INTEGERS, other), {})
        for name in ["add", "sub", "mul", "div", "floor_divide", "remainder", "gt"]
        for other in (3, 1.5)
    ),
    ("pow", (POSITIVE, 1.5), {}),
    ("pow", (2.0, X), {}),
    ("rsub", (X, 1.5, 2), {}),
    ("atan2", (X, Y), {}),
    ("addcmul", (X, Y, ROW), {"value": 0.5}),
    ("addcdiv", (X, Y, POSITIVE), {}),
    ("lerp", (X, Y, 0.3), {}),
    ("where", (MASK, X, Y), {}),
    ("where", (MASK, X, 0.0), {}),
    ("masked_fill", (X, MASK, -1.0), {}),
    ("clamp", (X, -0.5, 0.5), {}),
    ("clamp_min", (X, 0.1), {}),
    ("bitwise_not", (MASK,), {}),
    ("sum", (X, [0, -1], True), {}),
    ("sum", (MASK,), {}),
    ("mean", (X, [-1]), {}),
    ("var", (X, [-1]), {"correction": 0}),
    ("std", (X, [0]), {}),
    ("amax", (X, [-1], True), {}),
    ("max", (X, -1), {}),
    ("min", (X, 0, True), {}),
    ("argmax", (X, -1), {}),
    ("cumsum", (X, 1), {}),
    ("cumsum", (INTEGERS, 0), {}),
    ("cumprod", (X, 1), {}),
    ("logsumexp", (X, [-1]), {}),
    ("softmax", (X, -1), {}),
    ("log_softmax", (X, 0), {}),
    ("linalg_vector_norm", (X, 2, [-1]), {}),
    ("argsort", (X, -1, True), {}),
    ("sort", (X, 0, True), {}),
    ("reshape", (X, [-1, 2]), {}),
    ("flatten", (X, 0, -1), {}),
    ("unflatten", (X, 0, [2, -1]), {}),
    ("expand", (ROW, [4, 6]), {}),
    ("unsqueeze", (X, -1), {}),
    ("squeeze", (X,), {}),
    ("permute", (X, [1, 0]), {}),
    ("transpose", (X, 0, 1), {}),
    ("movedim", (X, 0, 1), {}),
    ("cat", ([X, INTEGERS], 0), {}),
    ("stack", ([X, Y], 1), {}),
    ("unbind", (X, 1), {}),
    ("split", (X, 4, 1), {}),
    ("chunk", (X, 3, 1), {}),
    ("slice", (X, 1, 1, 9223372036854775807, 2), {}),
    ("select", (X, 0, -1), {}),
    ("narrow", (X, 1, 1, 3), {}),
    ("index", (X, [INDEX]), {}),
    ("index", (X, [None, INDEX]), {}),
    ("index_select", (X, 0, INDEX), {}),
    ("select_scatter", (X, ROW, 0, 1), {}),
    ("flip", (X, [0, 1]), {}),
    ("roll", (X, [1], [0]), {}),
    ("repeat", (X, [2, 1, 3]), {}),
    ("constant_pad_nd", (X, [1, 2, 0, 1], 0.5), {}),
    ("unfold", (X, 1, 3, 2), {}),
    ("tril", (X,), {}),
    ("triu", (X, 1), {}),
    ("one_hot", (INDEX, 4), {}),
    ("full_like", (X, 2.0), {}),
    ("new_zeros", (X, [2, 3]), {}),
    ("matmul", (X, SMALL), {}),
    ("linear", (X, Y, None), {}),
    ("embedding", (X, INDEX), {}),
    ("layer_norm", (X, [6]), {}),
    ("einsum", ("ij,jk->ki", [X, SMALL]), {}),
]


def name_of(case: Any) -> str:
    name, arguments, keywords = case
    return "-".join([name, *map(str, arguments), *map(str, keywords.values())])


def values_of(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 6, dtype=dtype, generator=generator)
    return {
        X: x,
        Y: torch.randn(4, 6, dtype=dtype, generator=generator),
        ROW: torch.randn(6, dtype=dtype, generator=generator),
        POSITIVE: 1 + x.abs(),
        UNIT: 0.9 * x.tanh(),
        MASK: x > 0,
        INDEX: torch.tensor([3, 0, 2]),
        SCALAR: torch.tensor(0.7, dtype=torch.float64),
        INTEGERS: torch.tensor([[-3, -2, -1, 1, 2, 5]]).repeat(4, 1),
        SMALL: torch.randn(6, 3, dtype=dtype, generator=generator),
    }


def replaced(argument: Any, values: dict[str, Any]) -> Any:
    if isinstance(argument, list):
        return [replaced(item, values) for item in argument]
    return values.get(argument, argument) if isinstance(argument, str) else argument


def overload_of(name: str, arguments: Any, keywords: Any) -> tuple[str, Any]:
    """Return the name of the overload that takes these arguments, and its result."""
    packet = getattr(torch.ops.aten, name)
    for overload in packet.overloads():
        full = f"aten.{name}.{overload}"
        if full in OPERATORS:
            try:
                return full, getattr(packet, overload)(*arguments, **keywords)
            except (RuntimeError, TypeError):
                continue
    raise AssertionError(f"no overload of {name} takes {arguments}")


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_numpy_computes_what_torch_computes(case: Any, dtype: torch.dtype) -> None:
    name, arguments, keywords = case
    values = values_of(dtype)
    full, expected = overload_of(name, replaced([*arguments], values), keywords)
    arrays = {key: value.numpy() for key, value in values.items()}
    actual = OPERATORS[full](*replaced([*arguments], arrays), **keywords)
    for a, e in zip(as_list(actual), as_list(expected), strict=True):
        a = np.asarray(a)  # noqa: PLW2901
        assert (a.dtype, a.shape) == (e.numpy().dtype, tuple(e.shape))
        assert_close(torch.from_numpy(np.array(a)), e, "forward")


def as_list(value: Any) -> list[Any]:
    return [*value] if isinstance(value, list | tuple) else [value]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("aten.zeros.default", ([10**12],)),
        ("aten.arange.default", (10**12,)),
        ("aten.repeat.default", (np.zeros((4, 4)), [10**6, 10**6])),
        ("aten.matmul.default", (np.zeros((10**5, 1)), np.zeros((1, 10**5)))),
        ("aten.add.Tensor", (np.zeros((10**5, 1)), np.zeros((1, 10**5)))),
        ("aten.expand.default", (np.zeros(1), [10**12])),
        ("aten.constant_pad_nd.default", (np.zeros(3), [0, 10**12])),
        ("aten.one_hot.default", (np.zeros(3, np.int64), 10**12)),
        ("aten.embedding.default", (np.zeros((1, 10**5)), np.zeros(10**5, np.int64))),
    ],
)
def test_a_few_numbers_do_not_ask_for_gigabytes(name: str, arguments: tuple[Any, ...]) -> None:
    with Budget(10, 10).applied(), pytest.raises(ValueError, match="too large"):
        OPERATORS[name](*arguments)


def test_an_operator_has_one_function() -> None:
    with pytest.raises(ValueError, match=r"aten\.relu\.default: expected one function"):
        register("relu")(abs)
