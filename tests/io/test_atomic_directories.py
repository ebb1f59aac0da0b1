"""Replacing a directory: one whole model remains, whichever process writes, reads or is killed."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from throughtime import InputError
from throughtime.io import atomic_directories, directory
from throughtime.io.directory import ModelFiles

if TYPE_CHECKING:
    from collections.abc import Callable

WRITER = """
import sys
from throughtime.io.directory import ModelFiles, write
number = 0
while True:
    number += 1
    files = ModelFiles({"task": "test", "number": number}, bytes(8) + b"%d " % number * 9999)
    write(sys.argv[1], files, overwrite=True)
    print(number, flush=True)
"""


def save(target: Path, number: int = 0) -> None:
    directory.write(target, contents(number), overwrite=True)


def contents(number: int) -> ModelFiles:
    return ModelFiles({"task": "test", "number": number}, bytes(8) + b"%d " % number * 1000)


def number_in(target: Path) -> int:
    """Return the number of a model, whose files agree."""
    model = directory.read(target)
    number = model.config["number"]
    assert model.weights[8:].startswith(b"%d " % number)
    return number


@pytest.fixture(params=["in one step", "in two steps"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that exchanges directories, and one that cannot."""
    if request.param == "in two steps":
        monkeypatch.setattr(atomic_directories, "_exchange_in_one_step", lambda *_: errno.ENOSYS)


@pytest.mark.usefixtures("system")
def test_threads_that_save_to_one_directory_leave_one_whole_model_and_readers_see_whole_ones(tmp_path: Path) -> None:
    target, failures, stop = tmp_path / "model", [], threading.Event()
    save(target)

    def repeat(action: Callable[[], object]) -> None:
        while not stop.is_set():
            try:
                action()
            except Exception as error:  # noqa: BLE001 - any is a failure
                failures.append(error)

    actions = [lambda n=n: save(target, n) for n in range(3)] + [lambda: number_in(target)] * 2
    threads = [threading.Thread(target=repeat, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, [str(failure)[-90:] for failure in failures]
    save(target, 7)
    assert number_in(target) == 7
    assert os.listdir(tmp_path) == ["model"]


def test_what_a_foreign_directory_holds_is_never_replaced(tmp_path: Path) -> None:
    foreign = tmp_path / "bert"
    foreign.mkdir()
    for name in ("config.json", "model.safetensors"):
        (foreign / name).write_text(json.dumps({"architectures": ["BertModel"], "schema": 1, "sha256": "0" * 64}))
    with pytest.raises(InputError, match="overwrite replaces model directories only"):
        save(foreign)
    assert sorted(os.listdir(foreign)) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "history.jsonl.bak", "runs"])
def test_files_that_a_user_put_into_a_model_directory_are_named_and_stay(name: str, tmp_path: Path) -> None:
    save(tmp_path / "model")
    (tmp_path / "model" / name).mkdir() if name == "runs" else (tmp_path / "model" / name).touch()
    with pytest.raises(InputError, match=f"{name} is in it: move that first"):
        save(tmp_path / "model", 1)
    assert number_in(tmp_path / "model") == 0
    assert (tmp_path / "model" / name).exists()


def test_a_directory_of_a_user_that_has_the_name_of_a_file_stays(tmp_path: Path) -> None:
    save(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    kept = tmp_path / "model" / "model.safetensors" / "thesis.txt"
    kept.parent.mkdir()
    kept.touch()
    with pytest.raises(InputError, match=r"model\.safetensors is in it: move that first"):
        save(tmp_path / "model", 1)
    assert kept.exists()


def test_the_root_of_the_file_system_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got the root of the file system"):
        save(Path(tmp_path.anchor))


def test_a_link_to_a_model_is_followed_and_stays(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere" / "real")
    (tmp_path / "link").symlink_to("elsewhere/real")
    (tmp_path / "second").symlink_to("link")
    for number in (1, 2):
        save(tmp_path / "second", number)
        assert number_in(tmp_path / "elsewhere" / "real") == number
    assert os.readlink(tmp_path / "second") == "link"
    assert os.readlink(tmp_path / "link") == "elsewhere/real"
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "link", "second"]
    assert os.listdir(tmp_path / "elsewhere") == ["real"]


@pytest.mark.parametrize("leads_to", ["nowhere", "link", "file", "other"])
def test_a_link_to_anything_else_is_refused_and_stays(leads_to: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(leads_to)
    with pytest.raises(InputError, match="link"):
        save(tmp_path / "link")
    assert os.readlink(tmp_path / "link") == leads_to
    assert sorted(os.listdir(tmp_path)) == ["file", "link", "other"]


def test_a_failure_while_writing_leaves_the_old_model_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "model")

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        save(tmp_path / "model", 1)
    assert number_in(tmp_path / "model") == 0
    assert os.listdir(tmp_path) == ["model"]


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with atomic_directories.staging(target) as living:
        dead = living.with_name(living.name[:-8] + "01234567")
        dead.mkdir()
        (dead / "model.safetensors").write_bytes(b"half")
        similar = tmp_path / f"{dead.name}.backup"  # no name of ours
        similar.mkdir()
        save(target)
        assert sorted(os.listdir(tmp_path)) == sorted([living.name, similar.name, "model"])
    assert sorted(os.listdir(tmp_path)) == [similar.name, "model"]


def test_what_another_machine_left_is_removed_after_a_day(tmp_path: Path) -> None:
    left = {hours: tmp_path / f".model-00000000-0000000{hours % 9}" for hours in (1, 30)}
    for hours, path in left.items():
        path.mkdir()
        os.utime(path, (time.time() - 3600 * hours,) * 2)
    save(tmp_path / "model")
    assert sorted(os.listdir(tmp_path)) == [left[1].name, "model"]


def test_permissions_of_a_directory_outlive_its_replacement(tmp_path: Path) -> None:
    save(tmp_path / "model")
    (tmp_path / "model").chmod(0o700)
    save(tmp_path / "model", 1)
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o700


def test_a_name_as_long_as_names_may_be_is_written_and_replaced(tmp_path: Path) -> None:
    for number in (0, 1):
        save(tmp_path / ("é" * 127), number)
    assert number_in(tmp_path / ("é" * 127)) == 1
    assert len(os.listdir(tmp_path)) == 1


def killed(target: Path, seconds: float) -> int:
    """Kill a writer after some time. Returns the number of the last model that it had written."""
    with subprocess.Popen([sys.executable, "-c", WRITER, target], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        lines = process.stdout.read().split()
    return int(lines[-1]) if lines else 1


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_kills_while_saving_lose_nothing_and_leave_nothing_for_long(kills: int, tmp_path: Path) -> None:
    chance, target = random.Random(kills), tmp_path / "model"
    for _ in range(kills):
        last = killed(target, 0.05 * chance.random())
        assert number_in(target) in (last, last + 1)
        assert len(os.listdir(tmp_path)) <= 2
    save(target)
    assert os.listdir(tmp_path) == ["model"]
