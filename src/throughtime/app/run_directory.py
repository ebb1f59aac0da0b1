"""Where a run is written: a new directory that appears whole, or not at all."""

from __future__ import annotations

import errno
import itertools
import json
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError
from throughtime.io import atomic, bounded_json
from throughtime.io.open_directory import OpenDirectory, read_one_version, read_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = "run.json"
"""The file that tells a run's directory from any other: how the run was made, what came of it, and its files."""

_LARGEST = 16 * 2**20  # bytes of it
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_FILES = ("model", "forecast", "report", "predictions", "translations", "sample")


class _Taken(Exception):
    """A default name that somebody else has taken meanwhile."""


@dataclass
class RunDirectory:
    """The directory of a run.

    Attributes:
        path: where it will stand; where it stands, once it is published.
        overwrite: whether a former run may be replaced.
        default: the name that `path` was made from, where the user gave none; the next free one is taken in the end.
    """

    path: Path
    overwrite: bool = False
    default: Path | None = None

    @classmethod
    def chosen(cls, out: Path | None, data: Path, *, overwrite: bool = False) -> RunDirectory:
        """The directory that a user named, or a fresh one named after the data.

        Raises:
            InputError: for one that exists, unless it is a former run's and may be overwritten.
        """
        if out is None:
            name = Path(f"throughtime-{data.name.split('.', 1)[0]}")
            return cls(_fresh(name), default=name)
        place = cls(out, overwrite)
        place.check()
        return place

    def check(self) -> None:
        """Refuse a directory that may not be replaced."""
        target = atomic.resolve(self.path)
        if not os.path.lexists(target):
            return
        if not self.overwrite:
            raise InputError(f"--out: {self.path} exists; name another directory, or replace it with --overwrite")
        try:
            extra = read_one_version(target, _extra_file)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"--out: {self.path} is not the directory of a former run and stays; name another one"
            ) from error
        if extra:
            raise InputError(f"--out: {self.path} holds {extra}, which the run has not written; move it first")

    @contextmanager
    def building(self) -> Iterator[Path]:
        """A directory to write into, which takes its place in the end if nothing goes wrong."""
        target = atomic.resolve(self.path)
        with ExitStack() as stack:
            try:
                work = stack.enter_context(atomic.staging(target))
            except OSError as error:
                raise self._failure(error) from error
            try:
                yield work
            except OSError as error:
                raise self._failure(error) if error.errno in _FULL else error from error
            try:
                _list_files(work)
                self._publish(work)
            except OSError as error:
                raise self._failure(error) from error

    @contextmanager
    def sibling_file(self, ending: str) -> Iterator[Path]:
        """A file for the time of the run, which no other run uses meanwhile; a run that was killed has left it.

        Raises:
            InputError: where another run that is under way uses it and the user named the directory.
        """
        candidates = [self.path] if self.default is None else _names(self.default)
        for path in candidates:
            file = path.with_name(path.name + ending)
            if self.default is not None and os.path.lexists(path):
                continue
            try:
                with atomic.locked_file(file):
                    self.path = path
                    yield file
                    return
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._failure(error) from error
        raise InputError(f"--out: another run writes to {self.path} right now; wait for it, or name another directory")

    def located(self, result: dict[str, Any]) -> dict[str, Any]:
        """The result of a run, whose files are named from where the user stands rather than from the directory."""
        return {name: str(self.path / value) if name in _FILES else value for name, value in result.items()}

    def _publish(self, work: Path) -> None:
        while True:
            try:
                atomic.publish(work, atomic.resolve(self.path), self._check_at_the_end)
            except _Taken:
                assert self.default is not None
                self.path = _fresh(self.default)
            else:
                return

    def _check_at_the_end(self) -> None:
        if self.default is not None:
            raise _Taken
        self.check()

    def _failure(self, error: OSError) -> InputError:
        return InputError(f"--out: {self.path} cannot be written: {error.strerror or error}")


def _list_files(work: Path) -> None:
    """Write everything to disk, and the names of all files into the one that describes the run."""
    files = _files_in(work)
    run = json.loads((work / RUN).read_text(encoding="utf-8"))
    (work / RUN).write_text(json.dumps({**run, "files": files}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name in files:
        with (work / name).open("rb") as file:
            os.fsync(file.fileno())
    atomic.flush_directory(work)


def _files_in(directory: Path) -> list[str]:
    """The names of all files and links below a directory."""
    return sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_symlink() or not path.is_dir()
    )


def _extra_file(directory: OpenDirectory) -> str:
    """A file that is not of a run, or ''.

    Raises:
        OSError: where there is no run.
        ValueError: likewise.
        TypeError: likewise.
    """
    run = _read_run(directory)
    if not isinstance(run.get("throughtime"), str) or not isinstance(run.get("files"), list):
        raise TypeError("it does not describe a run")
    return next((name for name in _files_in(directory.path) if name not in run["files"]), "")


def _read_run(directory: OpenDirectory) -> dict[str, Any]:
    with directory.open(RUN, max_bytes=_LARGEST) as file:
        run = bounded_json.parse(read_whole(file, directory.path / RUN))
    if not isinstance(run, dict):
        raise TypeError("it does not describe a run")
    return run


def model_directory(path: Path) -> Path:
    """The model in what a user named: the directory of a run, or of its model.

    Raises:
        InputError: where there is no directory.
    """
    if not any(name.is_dir() for name in atomic.candidate_paths(path)):
        what = "is no directory" if path.exists() else "does not exist"
        raise InputError(f"{path} {what}: expected the directory of a run, or its model/")
    return path / "model" if (path / RUN).is_file() else path


def check_output_file(out: Path | None, *, overwrite: bool, screen: bool = True) -> None:
    """Refuse a file that exists, unless it may be replaced, and one in a directory that does not.

    Args:
        out: the file; None for none, '-' for the screen, which are always free.
        overwrite: whether it may be replaced.
        screen: whether there may be '-'.

    Raises:
        InputError: where it cannot be written.
    """
    if out is None or (str(out) == "-" and screen):
        return
    if str(out) == "-":
        raise InputError("--out: expected the name of a file, got -, since the screen is for the table")
    if not out.absolute().parent.is_dir():
        raise InputError(f"--out: {out} cannot be written: there is no directory {out.parent}")
    if os.path.lexists(out) and not (overwrite and out.is_file()):
        raise InputError(f"--out: {out} exists; name another file, or replace it with --overwrite")


def read_run_record(model: Path) -> dict[str, object]:
    """How the run was made that a model belongs to; empty where that is not known."""
    try:
        return read_one_version(model.resolve().parent, _read_run)
    except (OSError, ValueError, TypeError):
        return {}


def _fresh(wanted: Path) -> Path:
    """The name itself if it is free, else the first free one of -2, -3 and so on."""
    return next(path for path in _names(wanted) if not os.path.lexists(path))


def _names(wanted: Path) -> Iterator[Path]:
    yield wanted
    for number in itertools.count(2):
        yield wanted.with_name(f"{wanted.name}-{number}")
