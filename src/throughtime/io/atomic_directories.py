"""Directories that appear whole and are replaced in one step, safely for concurrent writers and readers.

New content is written to a staging directory next to the target, which then takes its name. A directory that exists is
exchanged with the new one in one system call, so that the name is never free (renameat2 of Linux). Where the system or
the file system cannot do that, the old directory is kept under a second name until the new one stands, and is read
there if the machine stopped in between.

A writer holds a lock (flock) on its staging directory. One without a lock was left by a writer that was killed, and the
next writer to that target removes it. Locks are known within one kernel, which the name of the staging directory holds:
what another machine has left on a shared disk is removed after a day.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import sys
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

try:
    import fcntl
except ImportError:  # not on Windows, where what was left is removed after a day
    fcntl = None

_STALE_SECONDS = 24 * 3600
_RETRIES = 10
_LOCK_TIMEOUT = 5.0  # seconds
_MAX_NAME_BYTES = 200  # bytes of the target's name in that of its staging directory; names end at 255
_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2
_NAME_TAKEN_ERRORS = {errno.ENOTEMPTY, errno.EEXIST}
_UNSUPPORTED_ERRORS = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}
"""Errors of systems and file systems without an exchange; old containers report EPERM for unknown calls."""


def resolve(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path that a path leads to, symbolic links followed.

    Raises:
        InputError: for a link that leads nowhere or in a circle, and for the root of the file system.
    """
    try:
        target = Path(os.path.realpath(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected the name of a directory: {error}") from error
    if not target.name:
        raise InputError(f"{path}: expected the name of a directory, got the root of the file system")
    if os.path.islink(path) and (target.is_symlink() or not any(map(os.path.lexists, candidate_paths(target)))):
        raise InputError(f"{path}: expected the name of a directory, got a symbolic link that leads nowhere")
    return target


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """Make an empty directory on the file system of the target, and remove what stands there in the end.

    What killed writers have left of their own is removed first.

    Raises:
        OSError: where it cannot be made.
    """
    parent = next(parent for parent in target.parents if os.path.lexists(parent))
    _remove_abandoned(parent, target.name)
    is_mine = False
    while not is_mine:
        path = _make(parent, target.name)
        with _locked(path) as is_mine:
            if is_mine:
                try:
                    yield path
                finally:
                    remove(path)


def publish(staged: Path, target: Path, check: Callable[[], object]) -> None:
    """Give a staged directory the name of its target. What stood there is then the staged one.

    Args:
        staged: as `staging` gave it.
        target: need not exist.
        check: is called where the target exists, and raises if that may not be replaced.

    Raises:
        OSError: where the system refuses.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    while not _rename_to_free(staged, target):
        check()
        with suppress(FileNotFoundError):  # it was just taken away: the name is free
            staged.chmod(stat.S_IMODE(target.stat().st_mode))
            _exchange(staged, target)
            break
    flush_directory(target.parent)


@contextmanager
def locked_file(file: Path) -> Iterator[None]:
    """Keep a file for one user at a time. It is made where there is none, and removed again where it stays empty.

    Raises:
        BlockingIOError: where somebody else has it.
        OSError: where it cannot be made.
    """
    with file.open("ab") as opened:
        if fcntl is not None and not (_lock(opened.fileno()) and _is_same_file(opened.fileno(), file)):
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), str(file))
        try:
            yield
        finally:
            if os.fstat(opened.fileno()).st_size == 0:
                file.unlink(missing_ok=True)


@contextmanager
def locked_directory(target: Path) -> Iterator[None]:
    """Keep a directory for one user at a time, even if others replace it meanwhile.

    Raises:
        OSError: where there is none.
    """
    while True:
        with _locked(target) as is_current:
            if is_current:
                yield
                return
            target.stat()


def backup_path(target: Path) -> Path:
    """Return where the old directory stands while a new one takes its name, where the two cannot be exchanged."""
    return target.with_name(f"{_prefix(target.name)}replaced")


def candidate_paths(target: Path) -> list[Path]:
    """Return where to look for a directory, one after the other, while others may be replacing it."""
    target = Path(os.path.abspath(target))  # the folder "." has no name of its own
    return [target, backup_path(target)] * _RETRIES if target.name else [target]


def recover(target: Path) -> None:
    """Bring back the old directory where a replacement was cut short, or remove it where it was not."""
    old = backup_path(target)
    if old.is_dir():
        with _exclusive(target.parent), suppress(FileNotFoundError):
            if not _rename_to_free(old, target):
                remove(old)


def remove(path: Path) -> None:
    """Remove a directory that was staged, as far as that is possible."""
    with suppress(OSError):
        path.chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)


def flush_directory(path: Path) -> None:
    """Write the names in a directory to disk."""
    if os.name == "posix":  # elsewhere a directory cannot be opened
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _prefix(name: str) -> str:
    encoded = os.fsencode(name)
    if len(encoded) > _MAX_NAME_BYTES:
        digest = hashlib.sha256(encoded).hexdigest()[:16]
        name = f"{encoded[: _MAX_NAME_BYTES - len(digest)].decode(errors='ignore')}{digest}"
    return f".{name}-"


def _make(parent: Path, name: str) -> Path:
    while True:
        path = parent / f"{_prefix(name)}{_machine_id()}-{secrets.token_hex(4)}"
        with suppress(FileExistsError):
            path.mkdir()
            return path


@cache
def _machine_id() -> str:
    """Return a digest that names the running kernel, within which locks are known."""
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        name = platform.node()
    return hashlib.sha256(name.encode()).hexdigest()[:8]


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold a lock on a staging directory. False where somebody removed it before there was a lock."""
    if fcntl is None:
        yield True
        return
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        yield False
        return
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield _is_same_file(handle, path)
    finally:
        os.close(handle)


def _is_same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _remove_abandoned(parent: Path, name: str) -> None:
    pattern = re.compile(re.escape(_prefix(name)) + "([0-9a-f]{8})-[0-9a-f]{8}", re.DOTALL)
    for entry in os.listdir(parent):
        match = pattern.fullmatch(entry)
        if match is not None:
            _remove_if_abandoned(parent / entry, is_local=match[1] == _machine_id())


def _remove_if_abandoned(path: Path, *, is_local: bool) -> None:
    if fcntl is None:
        if time.time() - path.stat().st_mtime > _STALE_SECONDS:
            remove(path)
        return
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if _is_abandoned(handle, is_local=is_local):
                remove(path)
        finally:
            os.close(handle)


def _is_abandoned(handle: int, *, is_local: bool) -> bool:
    """Return whether nobody writes in a staging directory; if so, this process then holds its lock."""
    assert fcntl is not None
    if is_local:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
        else:
            return True
    return time.time() - os.fstat(handle).st_mtime > _STALE_SECONDS


def _rename_to_free(source: Path, target: Path) -> bool:
    """Rename a directory. False where the new name is taken."""
    try:
        os.rename(source, target)
    except OSError as error:
        is_taken = error.errno in _NAME_TAKEN_ERRORS  # even if another writer has just renamed what was there
        if not is_taken and (not os.path.lexists(target) or not os.path.lexists(source)):
            raise
        return False
    return True


def _exchange(staged: Path, target: Path) -> None:
    """Exchange two directories.

    Raises:
        FileNotFoundError: where the target is no longer there.
        OSError: where the system refuses.
    """
    number = _exchange_in_one_step(os.fsencode(staged), os.fsencode(target))
    if number in _UNSUPPORTED_ERRORS:
        _exchange_in_two_steps(staged, target)
    elif number:
        raise OSError(number, os.strerror(number), str(target))


def _exchange_in_one_step(first: bytes, second: bytes) -> int:
    """Return 0 or the number of the system's error."""
    if os.name != "posix":
        return errno.ENOSYS
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        failed = library.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE)
    elif sys.platform == "darwin":
        failed = library.renamex_np(first, second, _RENAME_SWAP)
    else:
        return errno.ENOSYS
    return ctypes.get_errno() if failed else 0


def _exchange_in_two_steps(staged: Path, target: Path) -> None:
    old = backup_path(target)
    with _exclusive(target.parent):
        if os.path.lexists(target):
            remove(old)  # what a replacement that was cut short has left of it
        os.rename(target, old)
        if not _rename_to_free(staged, target):
            raise FileNotFoundError(f"{target} was taken by another writer")
        os.rename(old, staged)


@contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    """Keep other writers from exchanging in a directory; for as long as somebody else may lock it, not for ever."""
    if fcntl is None:
        yield
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        until = time.monotonic() + _LOCK_TIMEOUT
        while not _lock(handle) and time.monotonic() < until:
            time.sleep(0.001)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock an open directory. False where somebody else has the lock; without locks nobody has."""
    assert fcntl is not None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
