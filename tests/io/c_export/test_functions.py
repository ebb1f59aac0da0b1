"""The errors that `throughtime.io.c_export.functions` states of its functions."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.io.c_export.programs import needs_compiler, run

from throughtime.io.c_export.functions import ERRORS, functions_for

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = needs_compiler


def exact_sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


EXACT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exponential": np.exp,
    "sigmoid": exact_sigmoid,
    "hyperbolic_tangent": np.tanh,
    "square_root": np.sqrt,
}


@pytest.fixture(scope="module", params=["-ffp-contract=off", "-ffp-contract=fast", "-ffast-math"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The functions over arrays, with and without fused multiply-adds."""
    folder = tmp_path_factory.mktemp("functions")
    text = functions_for(" ".join(f"{name}(" for name in EXACT), int8=False)
    loops = "".join(
        f"void map_{name}(const float *x, float *y, int n) {{ int i; for (i = 0; i < n; ++i) y[i] = {name}(x[i]); }}\n"
        for name in EXACT
    )
    (folder / "f.c").write_text(f"#include <stdint.h>\n#include <stddef.h>\n{text}{loops}")
    run(["cc", "-std=c99", "-O3", "-march=native", request.param, "-fPIC", "-c", "f.c"], folder)
    run(["cc", "-shared", "f.o", "-o", "f.so"], folder)  # with -ffast-math it would change the rounding of the process
    return ctypes.CDLL(str(folder / "f.so"))


def values(library: ctypes.CDLL, name: str, x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x)
    pointer = ctypes.POINTER(ctypes.c_float)
    getattr(library, f"map_{name}")(x.ctypes.data_as(pointer), y.ctypes.data_as(pointer), len(x))
    return y


@pytest.mark.parametrize("name", EXACT)
def test_errors_are_within_the_stated_bounds(library: ctypes.CDLL, name: str, request: pytest.FixtureRequest) -> None:
    bound, low, high = ERRORS[name]
    if "-ffast-math" in request.node.name:
        bound = 64.0 if name in ("exponential", "sigmoid") else bound  # which adds in another order
    bits = np.random.default_rng(0).integers(0, 2**32, 500_000, np.uint32).view(np.float32)
    near = np.linspace(max(low, -20), min(high, 20), 300_000, dtype=np.float32)
    x = np.concatenate([bits[np.isfinite(bits)], near, np.float32([low, high])])
    x = np.ascontiguousarray(x[(x >= low) & (x <= high)])
    exact = EXACT[name](x.astype(np.float64))
    units = np.abs(values(library, name, x) - exact) / np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    assert bound / 3 < units.max() <= bound, f"{name}: {units.max():.2f} ULP at {x[units.argmax()]}"


def test_functions_saturate_and_keep_nan(library: ctypes.CDLL, request: pytest.FixtureRequest) -> None:
    x = np.float32([-3e38, -1000, 1000, 3e38])
    assert values(library, "sigmoid", x) == pytest.approx([0, 0, 1, 1], abs=1e-37)
    assert values(library, "hyperbolic_tangent", x).tolist() == [-1, -1, 1, 1]
    if "-ffast-math" not in request.node.name:
        for name in ("sigmoid", "hyperbolic_tangent", "exponential"):
            assert np.isnan(values(library, name, np.float32([np.nan]))).all()
