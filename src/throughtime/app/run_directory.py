"""The directory of a run, which appears as a whole or not at all, and checks of the paths that a user names."""

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
from throughtime.app.output import STDIN, STDOUT, json_file
from throughtime.io import atomic_directories, bounded_json
from throughtime.io.directory import FORECASTS, MODEL
from throughtime.io.open_directory import OpenDirectory, read_one_version, read_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = "run.json"
"""The record of a run: how it was made, its result and its files. It identifies the directory of a run."""

_MAX_RECORD_BYTES = 16 * 2**20
_LOG_FILES = (f"{MODEL}/{FORECASTS}", f"{MODEL}/.{FORECASTS}")  # the first forecast after the run may add them
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_RESULT_FILES = ("model", "forecast", "table", "totals", "scores", "report", "predictions", "translations", "sample")


class _NameTaken(Exception):
    """The default name is now used by another run."""


@dataclass
class RunDirectory:
    """The directory of a run.

    Attributes:
        path: of the directory, which exists once it is published.
        overwrite: whether an earlier run may be replaced.
        default: the name that `path` was derived from, if the user gave none; the next free one is taken at the end.
    """

    path: Path
    overwrite: bool = False
    default: Path | None = None

    @classmethod
    def choose(cls, out: Path | None, data: Path, *, overwrite: bool = False) -> RunDirectory:
        """Return the directory that a user named, or a new one named after the data.

        Raises:
            InputError: for a directory that exists, unless it is an earlier run's and may be overwritten.
        """
        if out is None:
            name = Path(f"throughtime-{'stdin' if str(data) == STDIN else data.name.split('.', 1)[0]}")
            return cls(_free_name(name), default=name)
        directory = cls(out, overwrite)
        directory.check()
        return directory

    def check(self) -> None:
        """Check that the directory may be written.

        Raises:
            InputError: for a directory that exists and may not be replaced.
        """
        target = atomic_directories.resolve(self.path)
        if not os.path.lexists(target):
            return
        if not self.overwrite:
            raise InputError(f"--out: {self.path} exists; name another directory, or replace it with --overwrite")
        try:
            extra = read_one_version(target, _extra_file)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"--out: {self.path} is not the directory of an earlier run and is not replaced; name another one"
            ) from error
        if extra:
            raise InputError(f"--out: {self.path} holds {extra}, which the run has not written; move it first")

    @contextmanager
    def building(self) -> Iterator[Path]:
        """Yield a directory to write into, which takes the place of `path` at the end unless there is an error.

        Raises:
            InputError: if it cannot be written.
        """
        target = atomic_directories.resolve(self.path)
        with ExitStack() as stack:
            try:
                work = stack.enter_context(atomic_directories.staging(target))
            except OSError as error:
                raise self._failure(error) from error
            try:
                yield work
            except OSError as error:
                raise self._failure(error) if error.errno in _DISK_ERRORS else error from error
            try:
                _flush_and_list_files(work)
                self._publish(work)
            except OSError as error:
                raise self._failure(error) from error

    @contextmanager
    def sibling_file(self, ending: str) -> Iterator[Path]:
        """Yield a file next to the directory that no other run uses; the file of a killed run is used again.

        Raises:
            InputError: if another run uses it and the user named the directory.
        """
        candidates = [self.path] if self.default is None else _candidate_names(self.default)
        for path in candidates:
            file = path.with_name(path.name + ending)
            if self.default is not None and os.path.lexists(path):
                continue
            try:
                with atomic_directories.locked_file(file):
                    self.path = path
                    yield file
                    return
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._failure(error) from error
        raise InputError(f"--out: another run is writing to {self.path}; wait for it, or name another directory")

    def locate(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return the result of a run with the paths of its files relative to the current directory."""
        return {name: str(self.path / value) if name in _RESULT_FILES else value for name, value in result.items()}

    def _publish(self, work: Path) -> None:
        while True:
            try:
                atomic_directories.publish(work, atomic_directories.resolve(self.path), self._check_at_the_end)
            except _NameTaken:
                assert self.default is not None
                self.path = _free_name(self.default)
            else:
                return

    def _check_at_the_end(self) -> None:
        if self.default is not None:
            raise _NameTaken
        self.check()

    def _failure(self, error: OSError) -> InputError:
        return InputError(f"--out: {self.path} cannot be written: {error.strerror or error}")


def _flush_and_list_files(work: Path) -> None:
    """Flush all files to disk, and add their names to the record."""
    files = _list_files(work)
    record = json.loads((work / RUN).read_text(encoding="utf-8"))
    json_file({**record, "files": files})(work / RUN)
    for name in files:
        with (work / name).open("rb") as file:
            os.fsync(file.fileno())
    atomic_directories.flush_directory(work)


def _list_files(directory: Path) -> list[str]:
    """Return the names of all files and links in a directory and its subdirectories."""
    return sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_symlink() or not path.is_dir()
    )


def _extra_file(directory: OpenDirectory) -> str:
    """Return a file that the run has not written, or ''.

    Raises:
        OSError: for a directory without a run.
        ValueError: for a damaged record.
        TypeError: for a record that is not a run's.
    """
    record = _read_record(directory)
    if not isinstance(record.get("throughtime"), str) or not isinstance(record.get("files"), list):
        raise TypeError("it does not describe a run")
    written = {*record["files"], *_LOG_FILES}
    return next((name for name in _list_files(directory.path) if name not in written), "")


def _read_record(directory: OpenDirectory) -> dict[str, Any]:
    with directory.open(RUN, max_bytes=_MAX_RECORD_BYTES) as file:
        record = bounded_json.parse(read_whole(file, directory.path / RUN))
    if not isinstance(record, dict):
        raise TypeError("it does not describe a run")
    return record


def read_run_record(model: Path) -> dict[str, object]:
    """Return the record of the run that a model belongs to; empty if there is none."""
    try:
        return read_one_version(model.resolve().parent, _read_record)
    except (OSError, ValueError, TypeError):
        return {}


def model_directory(path: Path) -> Path:
    """Return the directory of a model; `path` is that directory, or the directory of its run.

    Raises:
        InputError: if there is no directory.
    """
    if not any(name.is_dir() for name in atomic_directories.candidate_paths(path)):
        what = "is not a directory" if path.exists() else "does not exist"
        raise InputError(f"{path} {what}: expected the directory of a run, or its model/")
    return path / "model" if (path / RUN).is_file() else path


def check_output_file(out: Path | None, *, overwrite: bool, allow_stdout: bool = True) -> None:
    """Check that a file may be written.

    Args:
        out: the file; None for none, '-' for the standard output.
        overwrite: whether a file of that name may be replaced.
        allow_stdout: whether '-' is allowed.

    Raises:
        InputError: for a file that exists, unless it may be replaced, and for a directory that does not exist.
    """
    if out is None or (str(out) == STDOUT and allow_stdout):
        return
    if str(out) == STDOUT:
        raise InputError("--out: expected the name of a file, got -; the table is printed to the screen")
    if not out.absolute().parent.is_dir():
        raise InputError(f"--out: {out} cannot be written: there is no directory {out.parent}")
    if os.path.lexists(out) and not (overwrite and out.is_file()):
        raise InputError(f"--out: {out} exists; name another file, or replace it with --overwrite")


def _free_name(name: Path) -> Path:
    """Return the name, or the first free one of name-2, name-3 and so on."""
    return next(path for path in _candidate_names(name) if not os.path.lexists(path))


def _candidate_names(name: Path) -> Iterator[Path]:
    yield name
    for number in itertools.count(2):
        yield name.with_name(f"{name.name}-{number}")
