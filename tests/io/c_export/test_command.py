"""`throughtime export --to c`, and the example of the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from tests.app.process import run_in_process
from tests.io.c_export.programs import STRICT, needs_compiler, run

import throughtime as tt
from throughtime import nn
from throughtime.io.c_export import compilation

PAGE = Path(__file__).parents[3] / "docs" / "export.md"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The directory of a saved network."""
    torch.manual_seed(0)
    tt.save(nn.ManyToMany(nn.LSTM(1, 6), 1), tmp_path / "my-filter 2")
    return tmp_path / "my-filter 2"


@needs_compiler
def test_the_command_writes_and_compares(model: Path, tmp_path: Path) -> None:
    out, _ = run_in_process("export", model, "--to", "c", cwd=tmp_path)
    assert "Written: my_filter_2.c, my_filter_2.h" in out
    assert "Largest difference from the model" in out
    (tmp_path / "firmware").mkdir()
    options = ("--weights", "int8", "--out", "firmware", "--json")
    result = json.loads(run_in_process("export", model, "--to", "c", *options, cwd=tmp_path)[0])
    assert result["header"] == "firmware/my_filter_2.h"
    assert result["difference"] <= 1e-6
    assert result["weight_error"]["largest"] > 0
    assert (tmp_path / "firmware" / "my_filter_2.c").stat().st_size > 0


def test_without_a_compiler_the_command_says_so(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "COMPILERS", ("no-such-compiler",))
    out, _ = run_in_process("export", model, "--to", "c", "--out", "net.c", cwd=tmp_path)
    assert "Not compared with the model: there is no C compiler" in out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--to", "c", "--out", "a-b.c"), "expected a file name of letters"),
        (("--to", "c", "--out", "missing/net.c"), "there is no directory missing"),
        (("--to", "c", "--out", "my-filter 2/config.c", "--weights", "int4"), "--weights: expected float32 or int8"),
        (("--to", "onnx", "--weights", "int8"), "--weights int8 applies to --to c only"),
        (("--to", "c", "--data", "x.csv"), "--data applies to --weights int8 only"),
        (("--to", "rust"), "--to: expected c or onnx"),
    ],
)
def test_bad_options_have_one_sentence(options: tuple[str, ...], reason: str, model: Path, tmp_path: Path) -> None:
    _, err = run_in_process("export", model, *options, cwd=tmp_path, code=2)
    assert reason in err


def test_errors_of_int8_weights_are_measured_on_ones_own_data(model: Path, tmp_path: Path) -> None:
    size = tt.load(model).layer.input_size
    rows = [",".join(f"x{i}" for i in range(size)), *(",".join(["0.5"] * size) for _ in range(30))]
    (tmp_path / "x.csv").write_text("\n".join(rows))
    out, _ = run_in_process(
        *("export", model, "--to", "c", "--weights", "int8", "--data", "x.csv", "--out", "net.c"), cwd=tmp_path
    )
    assert "over 30 steps of the given data" in out


@needs_compiler
def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    (program,) = re.findall(r"```c\n(.*?)```", PAGE.read_text(), re.DOTALL)
    tt.export(nn.ManyToMany(nn.GRU(1, 8), 1), tmp_path / "filter.c")
    (tmp_path / "main.c").write_text(program)
    run(["cc", *STRICT, "-O2", "main.c", "filter.c", "-o", "main"], tmp_path)
    assert run(["./main"], tmp_path).startswith("0 of 2 refused")
