"""What an import costs, and what works where only torch, numpy and safetensors are installed.

Each test runs in a process of its own, in which the other libraries cannot be imported.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# What the jobs need and the layers do not.
JOBS_LIBRARIES = (
    "jaxtyping", "jinja2", "matplotlib", "mido", "narwhals", "optuna", "pandas", "polars", "pyarrow", "rich", "scipy",
    "sklearn", "sacrebleu", "statsforecast", "statsmodels", "tokenizers", "typer", "utilsforecast",
)  # fmt: skip

LAYERS_LEARN = """
import torch
from throughtime import nn
for layer in (nn.RNN, nn.GRU, nn.LSTM):
    model = layer(2, 8)
    y, _ = model(torch.randn(5, 3, 2), lengths=[5, 2, 3])
    y.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
"""
TRAINING_LEARNS = """
import torch
from throughtime import nn, training
model = nn.ManyToMany(nn.GRU(1, 8), 1)
x = torch.randn(20, 4, 1)
history = training.fit(model, (x, x), stop=(training.Epochs(3),), seed=0)
"""
NO_KERNELS = """
import sys, warnings
sys.modules["throughtime._kernels._engine"] = None
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import torch, throughtime
    layer = throughtime.nn.LSTM(2, 8)
    layer(torch.randn(5, 3, 2))
assert [str(w.message)[:50] for w in caught] == ["throughtime: the compiled kernels could not be loa"], caught
assert throughtime.which_path(layer, torch.randn(5, 3, 2)).startswith("reference")
"""


def run(program: str) -> str:
    """Run a program, and return what it printed."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def imported_by(statement: str) -> set[str]:
    """Top-level names of all that a statement loads."""
    names = json.loads(run(f"import json, sys\n{statement}\nprint(json.dumps([*sys.modules]))"))
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("library", ["torch", "numpy", *JOBS_LIBRARIES])
def test_the_package_alone_loads_nothing_heavy(library: str, loaded_by_the_package: set[str]) -> None:
    assert library not in loaded_by_the_package


@pytest.fixture(scope="module")
def loaded_by_the_package() -> set[str]:
    return imported_by("import throughtime")


@pytest.mark.parametrize("module", ["throughtime.nn", "throughtime.training"])
def test_the_core_loads_nothing_of_the_jobs(module: str) -> None:
    assert not imported_by(f"import {module}") & set(JOBS_LIBRARIES)


@pytest.mark.parametrize("program", [LAYERS_LEARN, TRAINING_LEARNS], ids=["layers", "training"])
def test_the_core_learns_where_the_jobs_libraries_are_missing(program: str) -> None:
    run(f"import sys\nsys.modules.update(dict.fromkeys({JOBS_LIBRARIES!r}))\n{program}")


def test_everything_runs_where_no_kernels_are_compiled_and_says_so_once() -> None:
    run(NO_KERNELS)
