"""Directories of runs: whole or not there, each run keeps its work, and only a run replaces a run."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import throughtime as tt
from throughtime import InputError, nn, runtime
from throughtime.app.run_directory import RUN, RunDirectory, model_directory, read_run_record
from throughtime.app.signals import interrupt_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable


def build(run_directory: RunDirectory, text: str = "") -> None:
    with run_directory.building() as directory:
        (directory / "forecast.csv").write_text(text)
        (directory / RUN).write_text(json.dumps({"throughtime": "0", "result": {"forecast": "forecast.csv"}}))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_two_runs_that_chose_one_default_name_both_keep_their_work(here: Path) -> None:
    places = [RunDirectory.choose(None, Path("sales.csv")) for _ in range(3)]
    assert {str(directory.path) for directory in places} == {"throughtime-sales"}
    for number, directory in enumerate(places):
        build(directory, str(number))
    names = ["throughtime-sales", "throughtime-sales-2", "throughtime-sales-3"]
    assert [str(directory.path) for directory in places] == names
    assert [(here / name / "forecast.csv").read_text() for name in names] == ["0", "1", "2"]
    assert places[1].locate({"forecast": "forecast.csv", "series": 1}) == {
        "forecast": str(Path("throughtime-sales-2/forecast.csv")),
        "series": 1,
    }
    assert sorted(os.listdir(here)) == names


def test_a_file_of_trials_belongs_to_one_run_at_a_time(here: Path) -> None:
    first, second = (RunDirectory.choose(None, Path("sales.csv")) for _ in range(2))
    with first.sibling_file(".db") as file, second.sibling_file(".db") as other:
        assert [str(file), str(other)] == ["throughtime-sales.db", "throughtime-sales-2.db"]
        file.write_text("trials")
    assert os.listdir(here) == [
        "throughtime-sales.db"
    ]  # the next run continues with its content; an empty one is removed
    named = RunDirectory(Path("out")).sibling_file(".db")
    with named, pytest.raises(InputError, match="another run is writing to out"):
        RunDirectory(Path("out")).sibling_file(".db").__enter__()


def test_a_run_replaces_a_run_and_nothing_else(here: Path) -> None:
    build(RunDirectory(here / "run"), "old")
    with pytest.raises(InputError, match="exists; name another directory, or replace it with --overwrite"):
        RunDirectory.choose(here / "run", Path("sales.csv"))
    build(RunDirectory.choose(here / "run", Path("sales.csv"), overwrite=True), "new")
    assert (here / "run" / "forecast.csv").read_text() == "new"
    (here / "run" / "model").mkdir()
    (here / "run" / "model" / "notes.txt").touch()
    with pytest.raises(InputError, match=r"holds model.notes\.txt, which the run has not written"):
        RunDirectory.choose(here / "run", Path("sales.csv"), overwrite=True)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"throughtime": "0"}', '{"scripts": {}, "files": []}', "[" * 10**5])
def test_a_file_of_that_name_makes_no_run(text: str, here: Path) -> None:
    (here / "other").mkdir()
    (here / "other" / RUN).write_text(text)
    with pytest.raises(InputError, match="is not the directory of an earlier run and is not replaced"):
        RunDirectory.choose(here / "other", Path("sales.csv"), overwrite=True)
    assert read_run_record(here / "other" / "model") == (json.loads(text) if text.startswith("{") else {})


def test_a_run_reached_by_a_link_is_replaced_and_the_link_stays(here: Path) -> None:
    build(RunDirectory(here / "real"), "old")
    (here / "link").symlink_to("real")
    build(RunDirectory.choose(here / "link", Path("sales.csv"), overwrite=True), "new")
    assert os.readlink(here / "link") == "real"
    assert (here / "real" / "forecast.csv").read_text() == "new"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("fault"), OSError(errno.ENOSPC, "No space left")])
def test_a_run_that_ends_early_leaves_nothing(error: BaseException, here: Path) -> None:
    with (
        pytest.raises((KeyboardInterrupt, RuntimeError, InputError)) as caught,
        RunDirectory(here / "a" / "b").building(),
    ):
        raise error
    assert not isinstance(error, OSError) or "--out: " in str(caught.value)
    assert not os.listdir(here)


@pytest.mark.parametrize("read", [tt.load, runtime.load], ids=["torch", "runtime"])
def test_the_directory_of_a_run_is_read_wherever_its_model_is(read: Callable[[Path], Any], here: Path) -> None:
    with RunDirectory(here / "run").building() as directory:
        tt.save(nn.GRU(3, 4), directory / "model")
        (directory / RUN).write_text(json.dumps({"throughtime": "0"}))
    for path in (here / "run", here / "run" / "model"):
        assert type(read(path)) is type(read(here / "run" / "model"))
        assert model_directory(path) == here / "run" / "model"
    os.chdir(here / "run" / "model")
    assert read_run_record(Path())["throughtime"] == "0"


@pytest.mark.skipif(os.name == "nt", reason="sends signals that Windows has not")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_signals_end_a_command_as_ctrl_c_does(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("throughtime.app.signals._SAME_SIGNAL_SECONDS", -1.0)
    former = signal.getsignal(number)
    with interrupt_on_signals():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        try:
            signal.raise_signal(number)  # while what there is is being saved
        except KeyboardInterrupt:
            pytest.fail("the second signal interrupted the saving")
        assert "saving the model" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is former


@pytest.mark.skipif(os.name == "nt", reason="sends signals that Windows has not")
def test_signals_sent_twice_count_once_and_ignored_ones_stay_ignored(capfd: pytest.CaptureFixture[str]) -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupt_on_signals():
            signal.raise_signal(signal.SIGHUP)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, former)
    assert not capfd.readouterr().err


def test_names_of_the_library_hold_no_character_that_commands_a_terminal() -> None:
    pattern = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
    package = Path(sys.modules["throughtime"].__file__ or "").parent
    assert not [path for path in package.rglob("*.py") if pattern.search(path.read_text(encoding="utf-8"))]
