"""The run of a training command: its steps in order, and what an interrupt or a failure leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from throughtime import InputError
from throughtime.app.jobs.runner import INTERRUPTED, Outcome, Training, run_training
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.output import text_file
from throughtime.app.run_directory import RUN, RunDirectory

if TYPE_CHECKING:
    from throughtime.app.console import ConsoleOutput


class Steps:
    """A training whose steps are recorded, and of which one fails."""

    def __init__(self, fails: str = "", error: BaseException | None = None) -> None:
        self.fails, self.error = fails, error
        self.log: list[str] = []

    def step(self, name: str) -> None:
        self.log.append(name)
        if name == self.fails:
            assert self.error is not None
            raise self.error

    def prepare(self, console: ConsoleOutput) -> Training:
        self.step("prepare")
        console.say("a note")
        return Training(
            fit=lambda: self.step("fit"),
            is_fitted=lambda: self.fails != "fit",
            evaluate=self.evaluate,
            save=self.save,
            results={"model": "model", "report": "report.html", "sample": "sample.txt"},
            record={"data": "data.csv"},
            heading={"task": "test"},
        )

    def evaluate(self) -> Outcome:
        self.step("evaluate")
        files = {"report.html": text_file("<p>"), "sample.txt": text_file("sample")}
        return Outcome(files, {"score": float("nan")}, lambda console: console.show("the score"))

    def save(self, directory: Path) -> None:
        self.step("save")
        (directory / "model").mkdir()


def record(directory: Path) -> dict[str, Any]:
    return json.loads((directory / RUN).read_text())


@pytest.mark.parametrize("as_json", [False, True])
def test_the_steps_follow_one_another(as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps, directory = Steps(), tmp_path / "run"
    assert run_training(steps.prepare, RunDirectory(directory), as_json=as_json) == 0
    assert steps.log == ["prepare", "fit", "evaluate", "save"]
    assert sorted(os.listdir(directory)) == ["model", "report.html", RUN, "sample.txt"]
    assert (directory / "sample.txt").read_text() == "sample"
    kept = record(directory)
    assert list(kept) == ["throughtime", "command", "data", "result", "files"]
    assert list(kept["result"]) == ["task", "model", "report", "sample", "score", "seconds"]
    out, err = capsys.readouterr()
    assert err == "a note\n"
    if as_json:
        printed = json.loads(out)
        assert printed["report"] == str(directory / "report.html")
        assert printed["score"] is None
    else:
        assert out.split() == ["the", "score", "Model", f"{directory}/model", "Sample", f"{directory}/sample.txt",
                               "Report", f"{directory}/report.html"]  # fmt: skip


def test_an_interrupted_evaluation_keeps_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps, directory = Steps("evaluate", KeyboardInterrupt()), tmp_path / "run"
    try:
        code = run_training(steps.prepare, RunDirectory(directory), as_json=False)
    except KeyboardInterrupt:
        pytest.fail("the model was lost")
    assert code == INTERRUPTED
    assert sorted(os.listdir(directory)) == ["model", RUN]
    assert record(directory)["result"] == {}
    assert capsys.readouterr().err.endswith(f"Interrupted: the best model so far is in {directory}.\n")


@pytest.mark.parametrize("step", ["prepare", "fit", "evaluate", "save"])
@pytest.mark.parametrize("error", [InputError("bad data"), RuntimeError("a bug")], ids=["data", "bug"])
def test_a_failure_leaves_nothing(step: str, error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)):
        run_training(Steps(step, error).prepare, RunDirectory(tmp_path / "run"), as_json=False)
    assert not os.listdir(tmp_path)


def test_an_interrupt_before_there_is_a_model_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_training(Steps("fit", KeyboardInterrupt()).prepare, RunDirectory(tmp_path / "run"), as_json=False)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("hidden_size: expected 1 or more", "--set hidden_size: expected 1 or more"),
        ("cell: expected gru", "--cell: expected gru"),
        ("y: expected two classes", "data.csv: y: expected two classes"),
    ],
)
def test_an_error_names_the_option_or_the_file(message: str, expected: str) -> None:
    with pytest.raises(InputError) as caught, located_errors(Path("data.csv"), {"hidden_size", "cell"}):
        raise InputError(message)
    assert str(caught.value) == expected
