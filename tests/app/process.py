"""The command line as a process and, where no process is needed, without one; and small tables for it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from throughtime.app.cli import main

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COMMAND = [sys.executable, "-m", "throughtime"]


def throughtime(*arguments: object, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command line and require its exit code."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "THROUGHTIME_DEBUG": ""},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


def run_in_process(*arguments: object, cwd: Path, code: int = 0) -> tuple[str, str]:
    """Run the command line within this process, which saves the time of its imports. Returns stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    written = patch.object(sys, "argv", ["throughtime", *map(str, arguments)])
    with chdir(cwd), redirect_stdout(out), redirect_stderr(err), written, pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code or 0) == code, err.getvalue()
    return out.getvalue(), err.getvalue()


def month(i: int) -> str:
    """The first of the i-th month from January 2000 on."""
    return f"{2000 + i // 12}-{i % 12 + 1:02d}-01"


def monthly(values: Sequence[object], header: str = "month,sales") -> list[str]:
    """Lines of a table of monthly values; line 1 is the header."""
    return [header, *(f"{month(i)},{value}" for i, value in enumerate(values))]


def seasonal(steps: int = 72) -> list[float]:
    """A season, a trend, and a little that neither explains."""
    return [round(100 + i + 10 * (i % 12) + (i * 7919 % 13) / 3, 2) for i in range(steps)]


def write(path: Path, lines: Sequence[str], encoding: str = "utf-8") -> Path:
    """Write a text file."""
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path
