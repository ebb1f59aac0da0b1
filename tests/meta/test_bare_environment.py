"""What an import costs, and what works where only torch, numpy and safetensors are installed.

Each test runs in a process of its own, in which the other libraries cannot be imported.
"""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import throughtime

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


# -- what is missing is named with the line that installs it

CALL = """
import json, sys
sys.modules.update(dict.fromkeys({hidden!r}))
import torch, throughtime as tt
from throughtime import nn, training
layer, x = nn.GRU(1, 2), torch.zeros(3, 1, 1)
messages = {{}}
for call in json.loads({calls!r}):
    try:
        exec(call)
        messages[call] = "nothing"
    except Exception as error:
        messages[call] = f"{{type(error).__name__}}: {{error}}"
print(json.dumps(messages))
"""
LOAD = """import pathlib, tempfile
from throughtime.io import saved_model
place = pathlib.Path(tempfile.mkdtemp()) / "model"
saved_model.write(place, saved_model.SavedModel({{"task": "{task}"}}, {{"weight": x}}))
tt.load(place)"""
CORE_ONLY = {
    **{LOAD.format(task=task): "text" for task in ("classify", "tag", "generate", "translate")},
    LOAD.format(task="forecast"): "forecast",
    **{
        f"tt.{name}": "text"
        for name in ("SequenceClassifier", "SequenceTagger", "SequenceGenerator", "SequenceTranslator")
    },
    **{f"tt.{name}": "forecast" for name in ("Forecaster", "Preset", "compare")},
    "tt.tune": "tune",
    "from throughtime.tasks.forecasting import Backtest": "forecast",
    "from throughtime.tasks.translation import SubwordSettings": "text",
    "from throughtime.tasks.generation import read_midi": "text",
    "tt.datasets.load('sunspots')": "forecast",
    "tt.datasets.seasonal()": "forecast",
    "tt.datasets.random_walk()": "forecast",
    "training.plot_cell(layer)": "forecast",
    "training.plot_memory(layer, x)": "forecast",
    "training.plot_states(layer, x)": "forecast",
    "training.plot_unfolded(layer, 2)": "forecast",
    "training.progress_bar().__enter__()": "forecast",
    "tt.ParquetSeries('.')": "parquet",
    "tt.export(layer, 'a.onnx')": "onnx",
    "tt.from_onnx('a.onnx')": "onnx",
}
PARTLY = {
    "matplotlib": ("training.plot_states(layer, x)", "forecast"),
    "statsmodels": ("tt.datasets.load('sunspots')", "forecast"),
    "holidays": (
        "from throughtime.data.series.calendar_features import list_holidays as h; h('DE', [2024])",
        "forecast",
    ),
    "optuna": ("tt.tune(tt.Forecaster(2), None)", "tune"),
    "ray": ("from throughtime.tasks.workers import check_workers; check_workers('ray')", "ray"),
    "statsforecast": (
        "from throughtime.tasks.forecasting.evaluation.external_models import *; check_external_models(['auto_ets'])",
        "baselines",
    ),
    "mlforecast": (
        "from throughtime.tasks.forecasting.evaluation.external_models import *; check_external_models(['lightgbm'])",
        "baselines",
    ),
    "pyarrow": ("tt.ParquetSeries('.')", "parquet"),
    "onnx": ("tt.export(layer, 'a.onnx')", "onnx"),
    "h5py": ("from throughtime.io.keras import _read; _read('a.keras')", "keras"),
    "tokenizers": ("tt.SequenceClassifier().fit(['good', 'bad'] * 9, [0, 1] * 9)", "text"),
    "sacrebleu": ("tt.SequenceTranslator().bleu(['a'], ['a'])", "text"),
    "mido": ("from throughtime.data.music.midi import write_midi; write_midi([[60]], 'a.mid')", "music"),
}


def messages_of(hidden: tuple[str, ...], calls: list[str]) -> dict[str, str]:
    """What calls say where packages cannot be imported."""
    return json.loads(run(CALL.format(hidden=hidden, calls=json.dumps(calls))).splitlines()[-1])


@pytest.fixture(scope="module")
def core_only() -> dict[str, str]:
    return messages_of(
        (*JOBS_LIBRARIES, "onnx", "h5py", "ray"), [*CORE_ONLY, *(f"tt.{name}" for name in throughtime.__all__)]
    )


@pytest.fixture(scope="module")
def partly() -> dict[str, str]:
    return messages_of(tuple(PARTLY), [call for call, _ in PARTLY.values()])


@pytest.mark.parametrize("call", CORE_ONLY)
def test_a_call_names_the_line_that_installs_what_it_needs(call: str, core_only: dict[str, str]) -> None:
    assert f"pip install 'throughtime[{CORE_ONLY[call]}]'" in core_only[call]
    assert core_only[call].startswith("MissingPackageError: ")


@pytest.mark.parametrize("name", throughtime.__all__)
def test_every_public_name_is_there_or_names_the_line_that_installs_it(name: str, core_only: dict[str, str]) -> None:
    assert core_only[f"tt.{name}"] == "nothing" or "pip install 'throughtime[" in core_only[f"tt.{name}"]


@pytest.mark.parametrize("package", PARTLY)
def test_a_single_package_that_is_missing_is_named(package: str, partly: dict[str, str]) -> None:
    call, extra = PARTLY[package]
    assert partly[call].startswith(
        f"MissingPackageError: {package} is not installed: pip install 'throughtime[{extra}]'"
    )


def core_only_command_line(*arguments: str) -> subprocess.CompletedProcess[str]:
    hide = f"import sys; sys.modules.update(dict.fromkeys({JOBS_LIBRARIES!r}))"
    program = f"{hide}\nsys.argv[1:] = {arguments!r}\nfrom throughtime.app import cli; cli.main()"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [(), ("forecast", "data.csv", "--horizon", "24"), ("bench", "--help")])
def test_the_command_line_names_the_line_that_installs_it(arguments: tuple[str, ...]) -> None:
    done = core_only_command_line(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "throughtime: typer is not installed: pip install 'throughtime[forecast]'" in done.stderr


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_core_has_a_help_and_a_version(option: str) -> None:
    done = core_only_command_line(option)
    assert (done.returncode, done.stderr) == (0, "")
    expected = {"--help": "pip install 'throughtime[forecast]'", "--version": f"throughtime {throughtime.__version__}"}
    assert expected[option] in done.stdout


def extras() -> dict[str, set[str]]:
    """Distributions that each extra installs, those of the extras in it included."""
    direct: dict[str, set[str]] = {}
    for line in importlib.metadata.requires("throughtime") or []:
        match = re.match(r"([\w.-]+)(?:\[([^]]*)])?.*extra == ['\"](\w+)['\"]", line)
        if match:
            inner = {f"[{name}]" for name in (match[2] or "").split(",") if name}
            direct.setdefault(match[3], set()).update(inner if match[1] == "throughtime" else {match[1]})
    for packages in direct.values():
        while inner := {name for name in packages if name.startswith("[")}:
            packages.difference_update(inner)
            packages.update(*(direct[name[1:-1]] for name in inner))
    return direct


def test_what_is_imported_comes_with_the_extra_that_is_named() -> None:
    installed, seen = extras(), set()
    for path in Path(throughtime.__file__).parent.rglob("*.py"):
        for block in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(block, ast.With) or not isinstance(call := block.items[0].context_expr, ast.Call):
                continue
            if not isinstance(call.func, ast.Name) or call.func.id != "requires":
                continue
            assert isinstance(call.args[0], ast.Constant)
            extra = str(call.args[0].value)
            assert extra in installed, f"{path}: no extra {extra}"
            names = [
                node.names[0].name if isinstance(node, ast.Import) else node.module
                for node in block.body
                if isinstance(node, ast.Import | ast.ImportFrom)
            ]
            packages = {str(name).partition(".")[0] for name in names} - {"throughtime"}
            seen |= packages
            assert packages <= installed[extra], f"{path}: the extra {extra} does not install {packages}"
    assert {"matplotlib", "tokenizers", "mido", "onnx", "h5py", "holidays"} <= seen
