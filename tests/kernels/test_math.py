"""The errors of exp, sigmoid and tanh that csrc/engine/math.hpp states, measured on every instruction set."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from throughtime import _kernels

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[[np.ndarray], np.ndarray]

ROOT = Path(__file__).parents[2]
HEADER = (ROOT / "csrc" / "engine" / "math.hpp").read_text(encoding="utf-8")
EVERYWHERE = 1e4  # far above the argument where tanh rounds to 1
TYPES: dict[str, Any] = {"float": np.float32, "double": np.float64}
EXACT = {"exp": np.exp, "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}
INSTRUCTION_SETS = _kernels._engine.instruction_sets() if _kernels._engine else []


def stated(function: str, kind: str) -> tuple[float, float, float]:
    """Return the bound in ULP and the range in which it holds, from the table in the header."""
    row = re.search(rf"^//   {function} +([\d.]+) +([\d.]+) +(\S.*)$", HEADER, re.MULTILINE)
    assert row, f"the table of csrc/engine/math.hpp has no row for {function}"
    column = list(TYPES).index(kind)
    ends = re.findall(r"\[(-\d+), (\d+)\]", row[3]) or [(-EVERYWHERE, EVERYWHERE)] * len(TYPES)
    first, last = map(float, ends[column])
    return float(row[1 + column]), first, last


@pytest.fixture(scope="module", params=INSTRUCTION_SETS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The functions, compiled with the flags of the kernels."""
    isa = request.param
    flags = re.search(rf"set\(flags_{isa} ([^)]*)\)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))
    compiler = (sysconfig.get_config_var("CXX") or "c++").split()[0]
    target = tmp_path_factory.mktemp("math") / "math.so"
    command = [compiler, "-std=c++20", "-O3", "-ffp-contract=off", "-Wno-psabi", "-fPIC", "-shared"]
    command += [
        f"-DTHROUGHTIME_ISA={isa}",
        f"-I{ROOT / 'csrc'}",
        *(flags[1].replace("${clang}", "").split() if flags else ()),
    ]
    subprocess.run([*command, str(Path(__file__).with_name("math.cpp")), "-o", str(target)], check=True)
    return ctypes.CDLL(str(target))


def function_of(library: ctypes.CDLL, name: str, kind: str) -> Function:
    def call(x: np.ndarray) -> np.ndarray:
        y = np.empty_like(x)
        pointers = (array.ctypes.data_as(ctypes.c_void_p) for array in (x, y))
        getattr(library, f"{name}_{kind}")(*pointers, ctypes.c_ssize_t(len(x)))
        return y

    return call


def arguments(kind: str, first: float, last: float) -> np.ndarray:
    """Return numbers of every magnitude, of both signs, and those around the limits of each formula."""
    random = np.random.default_rng(0)
    smallest = np.log(np.finfo(TYPES[kind]).tiny)
    near = [random.uniform(-limit, limit, 200_000) for limit in (1.0, 10.0, last)]
    magnitudes = np.exp(random.uniform(smallest, np.log(last), 200_000))
    edges = [np.nextafter(edge, edge + step) for edge in (0.55, 9.01, 20.0) for step in (-1, 1)]
    x = np.concatenate([*near, magnitudes, -magnitudes, [0.0, first, last], edges]).astype(TYPES[kind])
    return x[(first <= x) & (x <= last)]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", EXACT)
def test_the_error_is_within_what_the_header_states(library: ctypes.CDLL, name: str, kind: str) -> None:
    bound, first, last = stated(name, kind)
    x = arguments(kind, first, last)
    true = EXACT[name](x.astype(np.longdouble))
    error = np.abs(function_of(library, name, kind)(x) - true) / np.spacing(np.abs(true).astype(TYPES[kind]))
    worst = int(np.argmax(error))
    assert name != "tanh" or np.abs(function_of(library, name, kind)(x)).max() == 1
    assert error[worst] <= bound, f"{name}({x[worst]!r}) is {error[worst]:.2f} ULP off"
    assert error[worst] > bound / 3, f"the header promises {bound} ULP; {error[worst]:.2f} would do"


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", EXACT)
def test_extremes_go_where_they_should(library: ctypes.CDLL, name: str, kind: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0], TYPES[kind])
    y = function_of(library, name, kind)(x)
    assert np.isnan(y[0])
    largest = {"exp": np.exp(88.0), "sigmoid": 1.0, "tanh": 1.0}[name]
    least = {"exp": 2e-38, "sigmoid": 2e-38, "tanh": -1.0}[name]
    assert y[1] >= largest if name == "exp" else y[1] == largest
    assert y[2] <= least
    assert y[3] == {"exp": 1.0, "sigmoid": 0.5, "tanh": 0.0}[name]
