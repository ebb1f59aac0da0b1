"""Files of a directory that others may replace, or may have filled to do harm: regular files of one version, bounded.

A directory is held open, so that all its files are those of one version, whatever takes its name meanwhile. No link, no
pipe and no device is opened, and nothing is read beyond the size that a file has.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Self, TypeVar

from throughtime._core.errors import InputError
from throughtime.io.atomic_directories import candidate_paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Value = TypeVar("Value")

_POSIX = os.name == "posix"  # elsewhere a directory cannot be held open
_OPEN_FLAGS = (os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC) if _POSIX else 0
_SPECIAL_KINDS = {
    stat.S_ISLNK: "a symbolic link",
    stat.S_ISDIR: "a directory",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


class OpenDirectory:
    """A directory that is held open.

    Args:
        path: of the directory.

    Raises:
        OSError: where it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if _POSIX else None
        if self._handle is None:
            os.listdir(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            os.close(self._handle)

    @property
    def is_current(self) -> bool:
        """Return whether the directory still has its name."""
        try:
            return self._handle is None or os.path.samestat(os.fstat(self._handle), os.stat(self.path))
        except OSError:
            return False

    def entries(self) -> list[str]:
        """Return the names in it, sorted."""
        return sorted(os.listdir(self.path if self._handle is None else self._handle))

    def open(self, name: str, *, max_bytes: int) -> BinaryIO:
        """Open a regular file in it.

        Raises:
            InputError: for a file that is larger, and for anything but a regular file.
            OSError: where it cannot be opened.
        """
        path = self.path / name
        kind = self.kind(name)
        if kind:
            raise InputError(f"{path}: expected a regular file, got {kind}; put a copy of the file there")
        if self._handle is None:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        else:
            descriptor = os.open(name, os.O_RDONLY | _OPEN_FLAGS, dir_fd=self._handle)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
            os.close(descriptor)
            raise InputError(f"{path}: expected a regular file of at most {max_bytes:,} bytes, got {status.st_size:,}")
        return os.fdopen(descriptor, "rb")

    def kind(self, name: str) -> str:
        """Return what a name in it stands for, '' for a regular file."""
        path = self.path / name if self._handle is None else name
        mode = os.stat(path, dir_fd=self._handle, follow_symlinks=False).st_mode
        return next((kind for is_kind, kind in _SPECIAL_KINDS.items() if is_kind(mode)), "")


def read_whole(file: BinaryIO, path: Path) -> bytes:
    """Read a file, as many bytes as it has and no more.

    Raises:
        InputError: where memory does not suffice.
        OSError: where it cannot be read.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        return file.read(size)
    except MemoryError as error:
        raise InputError(f"{path}: expected a file that fits into memory, got {size:,} bytes") from error


def read_one_version(path: Path, read: Callable[[OpenDirectory], Value]) -> Value:
    """Read a directory, again where it was replaced while it was read.

    Raises:
        OSError: where there is none, or it cannot be read.
    """
    while True:
        with _open(path) as directory:
            try:
                return read(directory)
            except (OSError, InputError):
                if directory.is_current:
                    raise


def _open(path: Path) -> OpenDirectory:
    for name in candidate_paths(path):
        with suppress(FileNotFoundError):
            return OpenDirectory(name)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
