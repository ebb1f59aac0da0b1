"""The contract between a cell and the engine: what the compiler checks, what an import checks, and what is general.

The cells in `tests/kernels/cells` have more states and more diagonals than any published one. They are compiled into a
module of their own, and compared with a loop over plain torch operations.
"""

from __future__ import annotations

import subprocess
import sysconfig
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nanobind
import pytest
import torch
from tests.kernels.fuzz import Fuzz, load
from tests.tolerances import assert_close
from torch.nn.functional import linear

import throughtime.nn  # noqa: F401  (registers the cells)
from throughtime._core.cell import Cell
from throughtime._core.compiled_cell import check_compiled
from throughtime._core.reference import CELLS, register_step
from throughtime._kernels import _engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    States = tuple[Tensor, ...]
    Step = Callable[[Tensor, States, Tensor], States]

ROOT = Path(__file__).parents[2]
COMPILER = (sysconfig.get_config_var("CXX") or "c++").split()[0]
CELL = """
#include "engine/cell.hpp"
namespace throughtime::THROUGHTIME_ISA {
struct Described {
    static constexpr Names gates = "%(gates)s", separate_halves = "%(separate_halves)s", states = "%(states)s",
                           diagonals = "%(diagonals)s";
    static constexpr int saved = %(saved)s;
    template <class V> static void forward(const V*, const V*, const V*, V*, V*) {}
    template <class V> static void backward(const V*, const V*, const V*, const V*, V*, V*, V*) {}
};
static_assert(is_valid_cell<Described>());
}
"""
VALID = {"gates": "r z n", "separate_halves": "z n", "states": "h a b c", "diagonals": "p q r s t", "saved": "0"}
INVALID = {
    "no gate": ({"gates": "", "separate_halves": ""}, "gates: expected at least one name"),
    "a gate twice": ({"gates": "n z n"}, "gates: expected at least one name, all different"),
    "separate halves that are not the last gates": ({"separate_halves": "r z"}, "separate_halves: expected the last"),
    "another first state": ({"states": "c h"}, "states: expected h first"),
    "more states than the engine has room for": ({"states": "h a b c d"}, "states: expected 1 to max_states names"),
    "a diagonal twice": ({"diagonals": "p p"}, "diagonals: expected different names"),
    "fewer than no vectors": ({"saved": "-1"}, "saved: expected the number of vectors"),
}


def compiled(tmp_path: Path, description: dict[str, str]) -> subprocess.CompletedProcess[str]:
    source = tmp_path / "cell.cpp"
    source.write_text(CELL % description, encoding="utf-8")
    command = [COMPILER, "-std=c++20", "-fsyntax-only", "-Wno-psabi", f"-I{ROOT / 'csrc'}", str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_cell_may_have_four_states_and_more_diagonals_than_gates(tmp_path: Path) -> None:
    done = compiled(tmp_path, VALID)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", INVALID)
def test_an_invalid_description_does_not_compile(kind: str, tmp_path: Path) -> None:
    changes, message = INVALID[kind]
    done = compiled(tmp_path, VALID | changes)
    assert done.returncode
    assert message in done.stderr


@pytest.mark.parametrize("name", sorted(CELLS))
def test_descriptions_in_python_and_in_cpp_agree(name: str) -> None:
    check_compiled(CELLS[name].cell)


@pytest.mark.parametrize(
    ("cell", "changes", "described", "compiled"),
    [
        ("lstm", {"gates": ("i", "g", "f", "o"), "onnx_gates": (), "keras_gates": ()}, "(i g f o)", "(i f g o)"),
        ("lstm", {"states": ("h", "m")}, "states (h m)", "states (h c)"),
        ("gru", {"separate_halves": ("z", "n")}, "separate_halves (z n)", "separate_halves (n)"),
        ("peephole_lstm", {"diagonals": ("i", "o", "f")}, "diagonals (i o f)", "diagonals (i f o)"),
        ("rnn", {"activations": ("tanh", "relu")}, "(relu tanh)", "(relu sigmoid tanh)"),
    ],
)
def test_a_description_that_differs_from_the_kernel_is_refused(
    cell: str, changes: dict[str, Any], described: str, compiled: str
) -> None:
    registered = CELLS[cell]
    with pytest.raises(ImportError, match=f"cell '{cell}'.*differ") as caught:
        register_step(replace(registered.cell, **changes))(registered.step)
    _, ours, theirs, _ = str(caught.value).splitlines()
    assert ours.startswith("  described: ")
    assert described in ours
    assert theirs.startswith("  compiled:  ")
    assert compiled in theirs
    assert CELLS[cell] is registered


def test_a_cell_without_a_kernel_needs_no_agreement() -> None:
    check_compiled(Cell("of_nobody", gates=("a",), states=("h",), paper=""))


def three_states(sums: Tensor, state: States, _: Tensor) -> States:
    c, m = state[1:]
    i, g = sums.chunk(2, -1)
    c = c + i.sigmoid() * (g.tanh() - c)
    return c.tanh() + (m / 2 + c) * m, c, m / 2 + c


def three_diagonals(sums: Tensor, state: States, diagonal: Tensor) -> States:
    (h,), (p, q, r) = state, diagonal
    return (q * (sums + p * h).tanh() + r * h,)


STEPS: dict[str, Step] = {"three_states": three_states, "three_diagonals": three_diagonals}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module, compiled from the tests' cells alone; its types are not those of the installed one."""
    bound = Path(nanobind.__file__).parent
    includes = [ROOT / "csrc", sysconfig.get_path("include"), nanobind.include_dir(), bound / "ext/robin_map/include"]
    sources = [*(ROOT / "csrc").rglob("*.cpp"), *(ROOT / "tests" / "kernels" / "cells").glob("*.cpp")]
    sources = [source for source in sources if source.parent != ROOT / "csrc" / "cells"]
    target = tmp_path_factory.mktemp("cells") / "_engine.so"
    options = ["-std=c++20", "-O0", "-w", "-shared", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-pthread"]
    options += ["-DTHROUGHTIME_ISA=baseline", "-DNB_DOMAIN=throughtime_tests", *(f"-I{path}" for path in includes)]
    files = map(str, [*sources, Path(nanobind.source_dir()) / "nb_combined.cpp"])
    subprocess.run([COMPILER, *options, *files, "-o", str(target)], check=True)
    return load(target)


def kernel_of(engine: Any, cell: str, bits: int) -> Any:
    return next(k for k in engine.kernels() if (k.cell, k.bits) == (cell, bits))


def draw(*sizes: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return (torch.randn(sizes, dtype=torch.float64) / 2).to(dtype).requires_grad_()


def weights_of(kernel: Any, inputs: int, hidden: int, dtype: torch.dtype) -> list[Tensor | None]:
    """The fields of one direction, without a projection."""
    rows = kernel.gates * hidden
    shapes = (rows, inputs), (rows, hidden), (rows,), (rows,), (kernel.diagonals, hidden)
    return [draw(*shape, dtype=dtype) if 0 not in shape else None for shape in shapes]


def unrolled(
    step: Step, x: Tensor, state: States, weights: list[Any], lengths: list[int], *, reverse: bool
) -> tuple[Tensor, States]:
    """Outputs (T, N, H) and final states of one direction, row by row."""
    w_ih, w_hh, b_ih, b_hh, diagonal = weights
    rows, finals = [], []
    for n, length in enumerate(lengths):
        row = tuple(s[n] for s in state)
        outputs = [torch.zeros_like(row[0])] * len(x)
        for t in reversed(range(length)) if reverse else range(length):
            row = step(linear(x[t, n], w_ih, b_ih) + linear(row[0], w_hh, b_hh), row, diagonal)
            outputs[t] = row[0]
        rows.append(torch.stack(outputs))
        finals.append(row)
    return torch.stack(rows, 1), tuple(map(torch.stack, zip(*finals, strict=True)))


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("lengths", [[5, 5, 5], [5, 2, 0]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("cell", STEPS)
def test_any_number_of_states_and_diagonals_has_the_gradients_of_autograd(
    engine: Any, cell: str, dtype: torch.dtype, lengths: list[int], directions: int
) -> None:
    kernel = kernel_of(engine, cell, 64 if dtype is torch.float64 else 32)
    for inputs, hidden in [(2, 9), (18, 5)]:  # fused inputs, and others
        x = draw(5, 3, inputs, dtype=dtype)
        state = tuple(draw(directions, 3, hidden, dtype=dtype) for _ in range(kernel.states))
        weights = [weights_of(kernel, inputs, hidden, dtype) for _ in range(directions)]
        both = [
            unrolled(STEPS[cell], x, tuple(s[d] for s in state), weights[d], lengths, reverse=d == 1)
            for d in range(directions)
        ]
        expected = [torch.cat([y for y, _ in both], -1)]
        expected += map(torch.stack, zip(*(finals for _, finals in both), strict=True))
        flat = tuple(w for of_direction in weights for w in (*of_direction, None))
        tables = () if lengths == [5, 5, 5] else (torch.tensor(lengths), None, None)
        call = tables, False, 2
        y, finals, reserve = kernel.forward(x, state, flat, *call, True, (inputs, hidden))
        assert_close([y, *finals], [e.detach() for e in expected], "forward")
        doutputs = [draw(*e.shape, dtype=dtype).detach() for e in expected]
        leaves = [x, *state, *flat]
        gradients = kernel.backward(
            (y, reserve, *leaves), tuple(doutputs), (True,) * len(leaves), len(state), *call, (0.0, False)
        )
        expected_gradients = torch.autograd.grad(expected, [leaf for leaf in leaves if leaf is not None], doutputs)
        assert_close([g for g in gradients if g is not None], list(expected_gradients), "gradient")


@pytest.mark.parametrize("cell", STEPS)
def test_the_trainer_updates_and_carries_any_number_of_states(engine: Any, cell: str) -> None:
    kernel = kernel_of(engine, cell, 64)
    trainer = next(t for t in engine.trainers() if t.is_double)
    x, target = draw(6, 3, 2).detach(), draw(6, 3, 1).detach()
    state = tuple(draw(3, 4).detach() for _ in range(kernel.states))
    weights, output = weights_of(kernel, 2, 4, torch.float64), [draw(1, 4), draw(1)]
    parameters = [w for w in (*weights, *output) if w is not None]
    y, _ = unrolled(STEPS[cell], x[:5], state, weights, [5] * 3, reverse=False)
    _, carried = unrolled(STEPS[cell], x[:2], state, weights, [2] * 3, reverse=False)
    loss = torch.nn.functional.mse_loss(linear(y[3:], *output), target[3:5])
    gradients = torch.autograd.grad(loss, parameters)
    expected = [(p - 0.5 * g).detach() for p, g in zip(parameters, gradients, strict=True)]
    reports = torch.zeros(1, 2, dtype=torch.float64)
    with torch.no_grad():
        fields = tuple(None if w is None else w.detach() for w in weights)
        trainer.train(
            *([(kernel, (*fields, None), state)], tuple(o.detach() for o in output), "mse", False, False),
            *([(x, target)], torch.tensor([[0, 5, 3, 2]]), reports, "sgd", [(None, None)] * 7),
            *(torch.tensor([[0.5, 0, 0, 0, 0]], dtype=torch.float64), 1e9, [], 1),
        )
    assert_close(reports[0, 0], loss.detach(), "forward")
    assert_close(list(state), [s.detach() for s in carried], "forward")
    assert_close([p.detach() for p in parameters], expected, "gradient")


@pytest.mark.parametrize("cell", STEPS)
def test_a_streaming_network_keeps_any_number_of_states(engine: Any, cell: str) -> None:
    kernel = kernel_of(engine, cell, 64)
    network = engine.StreamingNetwork(next(t for t in engine.trainers() if t.is_double), 2)
    weights = weights_of(kernel, 2, 4, torch.float64)
    network.add_layer(kernel, tuple(None if w is None else w.detach().numpy() for w in weights), 4)
    x, y, last = draw(5, 2).detach(), torch.empty(5, 4, dtype=torch.float64), torch.empty(kernel.states, 4).double()
    assert network.run(x.numpy(), y.numpy(), 5) == -1
    network.get_state(0, last.numpy())
    zeros = (torch.zeros(1, 4, dtype=torch.float64),) * kernel.states
    expected, finals = unrolled(STEPS[cell], x.unsqueeze(1), zeros, weights, [5], reverse=False)
    assert_close(y, expected[:, 0].detach(), "forward")
    assert_close(last, torch.cat(finals).detach(), "forward")


def test_arguments_changed_at_random_end_in_an_exception_at_worst(engine: Any) -> None:
    fuzz = Fuzz(engine, seed=0, variants=5)
    fuzz.run(1000)
    assert fuzz.outcomes["forward: returned"] > 50


def test_the_installed_module_holds_no_cell_of_the_tests() -> None:
    assert _engine is not None
    assert not {kernel.cell for kernel in _engine.kernels()} & set(STEPS)
