"""Where a run is written: a new directory that appears whole, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from throughtime._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = "run.json"
"""The file that tells a run's directory from any other: how the run was made, and what came of it."""


@dataclass
class Place:
    """The directory of a run.

    Attributes:
        path: where it will stand.
        overwrite: whether a former run may be replaced.
    """

    path: Path
    overwrite: bool = False

    @classmethod
    def chosen(cls, out: Path | None, data: Path, *, overwrite: bool = False) -> Place:
        """The directory that a user named, or a fresh one named after the data.

        Raises:
            InputError: for one that exists, unless it is a former run's and may be overwritten.
        """
        if out is None:
            return cls(_fresh(Path(f"throughtime-{data.name.split('.', 1)[0]}")))
        place = cls(out, overwrite)
        place.check()
        return place

    def check(self) -> None:
        """Refuse a directory that may not be replaced."""
        if not os.path.lexists(self.path):
            return
        if not self.overwrite:
            raise InputError(f"--out: {self.path} exists; name another directory, or replace it with --overwrite")
        if self.path.is_symlink() or not (self.path / RUN).is_file():
            raise InputError(f"--out: {self.path} is not the directory of a former run and stays; name another one")

    @contextmanager
    def building(self) -> Iterator[Path]:
        """A directory to write into, which takes its place in the end if nothing goes wrong."""
        target = self.path.absolute()
        above = next(parent for parent in target.parents if os.path.lexists(parent))
        try:
            work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=above))
        except OSError as error:
            raise InputError(f"--out: {self.path} cannot be written: {error.strerror}") from error
        try:
            work.chmod(0o777 & ~_umask())
            yield work
            self._publish(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _publish(self, work: Path, target: Path) -> None:
        self.check()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as former:
                    target.rename(Path(former) / "former")
                    work.rename(target)
            else:
                work.rename(target)
        except OSError as error:
            raise InputError(f"--out: {self.path} cannot be written: {error.strerror}") from error


def model_directory(path: Path) -> Path:
    """The model in what a user named: the directory of a run, or of its model.

    Raises:
        InputError: where there is no directory.
    """
    if not path.is_dir():
        what = "is no directory" if path.exists() else "does not exist"
        raise InputError(f"{path} {what}: expected the directory of a run, or its model/")
    return path / "model" if (path / RUN).is_file() else path


def check_free(out: Path | None, *, overwrite: bool, screen: bool = True) -> None:
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


def read_run(model: Path) -> dict[str, object]:
    """How the run was made that a model belongs to; empty where that is not known."""
    try:
        run = json.loads((model.parent / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return run if isinstance(run, dict) else {}


def _fresh(wanted: Path) -> Path:
    """The name itself if it is free, else the first free one of -2, -3 and so on."""
    path, number = wanted, 1
    while os.path.lexists(path):
        number += 1
        path = wanted.with_name(f"{wanted.name}-{number}")
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
