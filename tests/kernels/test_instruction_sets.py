"""The kernels of every instruction set: sizes around the width of a vector, and laws that hold bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.kernels.conftest import INSTRUCTION_SETS, use
from tests.kernels.independence import assert_rows_are_independent
from tests.tolerances import assert_close

from throughtime import nn

LAYERS = ["RNN", "GRU", "LSTM"]
DTYPES = [torch.float32, torch.float64]
UNITS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65]
TESTS = Path(__file__).parents[1]


def results(module: torch.nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return outputs, final states and all gradients."""
    inputs = x.clone().requires_grad_()
    y, finals = module(inputs)
    states = finals if isinstance(finals, tuple) else (finals,)
    loss = sum(o.cos().sum() for o in (y, *states))
    leaves = [inputs, *module.parameters()]
    gradients = torch.autograd.grad(loss, leaves)
    return {"y": y, **{f"state {i}": s for i, s in enumerate(states)}, **{f"d{i}": g for i, g in enumerate(gradients)}}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_sizes_that_are_no_multiple_of_a_vector(isa: str, layer: str, dtype: torch.dtype) -> None:
    for hidden in UNITS:
        inputs, batch = (hidden * 7) % 37 + 1, (hidden * 5) % 19 + 1
        theirs = getattr(torch.nn, layer)(inputs, hidden, dtype=dtype)
        ours = getattr(nn, layer)(inputs, hidden, dtype=dtype)
        ours.load_state_dict(theirs.state_dict())
        x = torch.randn(5, batch, inputs, dtype=dtype)
        assert ours.path(x) == f"kernel: compiled for {isa}"
        assert_close(results(ours, x), results(theirs, x), "gradient")


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_neither_company_nor_threads_change_a_bit(isa: str, layer: str, dtype: torch.dtype) -> None:
    for batch, inputs, hidden in [(1, 3, 130), (13, 1, 33), (13, 40, 24)]:
        module = getattr(nn, layer)(inputs, hidden, bidirectional=True, dtype=dtype)
        x = torch.randn(12, batch, inputs, dtype=dtype)
        assert isa in module.path(x)
        assert_rows_are_independent(module, x)


@pytest.mark.parametrize("layer", LAYERS)
def test_unaligned_memory_changes_nothing(isa: str, layer: str) -> None:
    assert isa
    module = getattr(nn, layer)(3, 20)
    memory = torch.randn(6 * 4 * 3 + 1)
    unaligned = memory[1:].view(6, 4, 3)
    assert unaligned.data_ptr() % 8
    assert_close(results(module, unaligned), results(module, unaligned.clone()), "exact")


def test_instruction_sets_agree_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.LSTM(3, 37, dtype=torch.float64)
    x = torch.randn(30, 5, 3, dtype=torch.float64)
    result = {}
    for name in INSTRUCTION_SETS:
        use(name, monkeypatch)
        result[name] = results(module, x)
    for name in INSTRUCTION_SETS[1:]:
        assert_close(result[name], result[INSTRUCTION_SETS[0]], "gradient")


@pytest.mark.slow
@pytest.mark.parametrize("name", INSTRUCTION_SETS[1:])
def test_the_suite_passes_on_a_lesser_instruction_set(name: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "not slow",
            "oracle",
            "laws",
            "gradients",
        ],
        cwd=TESTS,
        env=os.environ | {"THROUGHTIME_ISA": name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_an_instruction_set_that_is_not_there_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import throughtime.nn"],
        env=os.environ | {"THROUGHTIME_ISA": "mmx"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert "THROUGHTIME_ISA: expected one of" in done.stderr
    assert "got 'mmx'" in done.stderr
