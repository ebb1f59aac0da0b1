"""Files are written whole or not at all, also if the writer fails, is interrupted or is killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from throughtime.io.atomic_files import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

# Writes 64 KiB of one letter after the other, and reports the middle of each file.
WRITER = """
import sys
import time
from throughtime.io.atomic_files import atomic_write
while True:
    for letter in "abcdefgh":
        with atomic_write(sys.argv[1]) as temporary, temporary.open("w") as file:
            file.write(letter * 32 * 1024)
            file.flush()
            print("half", flush=True)
            time.sleep(0.02)
            file.write(letter * 32 * 1024)
"""


def write_half(path: Path, error: BaseException) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full"), RuntimeError("a bug")], ids=repr)
@pytest.mark.parametrize("old", [None, "old"])
def test_an_exception_leaves_the_old_file_or_none(error: BaseException, old: str | None, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    if old is not None:
        path.write_text(old)
    with pytest.raises(type(error)):
        write_half(path, error)
    assert [file.name for file in tmp_path.iterdir()] == ([] if old is None else ["scores.csv"])
    assert old is None or path.read_text() == old


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    for text in ("first", "second"):
        with atomic_write(path) as temporary:
            assert temporary.suffix == ".csv"  # writers choose a format by the name
            temporary.write_text(text)
        assert path.read_text() == text
    assert os.listdir(tmp_path) == ["scores.csv"]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions and links")
def test_permissions_and_links_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to("real.csv")
    with atomic_write(link) as temporary:
        temporary.write_text("new")
    assert os.readlink(link) == "real.csv"
    assert real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name == "nt", reason="sends SIGKILL, which Windows does not have")
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    for attempt in range(8):
        with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(2):
                process.stdout.readline()
            time.sleep(0.006 * attempt)
            process.send_signal(signal.SIGKILL)
        text = path.read_text()
        assert text == text[:1] * 64 * 1024
        assert text
    with atomic_write(path) as temporary:  # removes what the killed writers have left
        temporary.write_text("whole")
    assert os.listdir(tmp_path) == ["scores.csv"]
