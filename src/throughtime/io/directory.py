"""Model directories: `model.safetensors`, `config.json`, `history.jsonl`, and nothing that could run.

Writing replaces a whole directory in one step (`atomic_directories.py`); only a directory that was written here is
replaced: its `config.json` holds a checksum of itself in our spelling, and there is no other file next to its own.
Reading trusts nobody (`open_directory.py`, `bounded_json.py`): `config.json` holds size and sha256 of the other files
and of itself.

Here they are bytes; `saved_model.py` makes tensors of them, `throughtime.runtime` arrays.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np

from throughtime._core.errors import InputError
from throughtime.io import atomic_directories, bounded_json
from throughtime.io.open_directory import OpenDirectory, read_one_version, read_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Value = TypeVar("Value")

SCHEMA_VERSION = 2
"""Version of the format of a model directory."""

WEIGHTS, CONFIG, HISTORY = "model.safetensors", "config.json", "history.jsonl"
FORECASTS = "forecasts.jsonl"
"""The log of forecasts, the only file that changes while a model stands: it may be absent and has no checksum."""

MODEL = "model"
"""Where a run directory of the command line keeps its model; it is read wherever a model directory is."""

_MAX_BYTES = {CONFIG: 64 * 2**20, HISTORY: 256 * 2**20, WEIGHTS: 2**62, FORECASTS: 32 * 2**20}  # bytes
_MAX_HEADER_BYTES = 8 * 2**20  # bytes of the names and shapes of all weights, each of which becomes an object


@dataclass(frozen=True)
class ModelFiles:
    """Content of a model directory as bytes.

    Attributes:
        config: what JSON can hold; 'task' names who can read the rest.
        weights: in the format of safetensors.
        history: JSON lines, one for each epoch.
        forecasts: JSON lines, one for each forecast that was logged.
    """

    config: dict[str, Any]
    weights: bytes
    history: bytes = b""
    forecasts: bytes = b""


def write(directory: str | os.PathLike[str], contents: ModelFiles, *, overwrite: bool = False) -> None:
    """Write a model directory, all of it or nothing. The last one to write leaves its model, whole.

    Raises:
        InputError: where something of that name exists (with `overwrite`: anything but a model directory and its own
            files), or the place cannot be written.
    """
    files = _serialize(contents) | ({FORECASTS: contents.forecasts} if contents.forecasts else {})
    for name, content in files.items():
        if len(content) > _MAX_BYTES[name]:
            raise InputError(f"{directory}: {name} would have {len(content):,} bytes, at most {_MAX_BYTES[name]:,} fit")
    _check_header(Path(directory) / WEIGHTS, contents.weights)
    target = atomic_directories.resolve(directory)

    def check() -> None:
        reason = _reason_to_keep(target) if overwrite else "choose another name"
        if os.path.lexists(target) and reason:
            raise InputError(f"{directory} exists already; {reason}")

    try:
        atomic_directories.recover(target)
        check()
        with atomic_directories.staging(target) as staged:
            for name, content in files.items():
                _write_durably(staged / name, content)
            atomic_directories.flush_directory(staged)
            atomic_directories.publish(staged, target, check)
    except OSError as error:
        raise InputError(f"{directory}: cannot be written: {error.strerror or error}") from error


def read(directory: str | os.PathLike[str]) -> ModelFiles:
    """Read a model directory, or that of a run of the command line.

    Raises:
        InputError: for one that is none, is damaged, or was written by a newer version.
    """

    def read_files(opened: OpenDirectory) -> ModelFiles:
        with ExitStack() as stack:
            # All are opened before one is read: they then stay readable when the directory is replaced.
            files = {name: stack.enter_context(_open(opened, name)) for name in (CONFIG, WEIGHTS, HISTORY)}
            config = _parse_config(opened.path / CONFIG, read_whole(files[CONFIG], opened.path / CONFIG))
            weights, history = (_read_checked(opened.path / name, files[name], config) for name in (WEIGHTS, HISTORY))
            forecasts = _read_forecasts(opened)
        _check_header(opened.path / WEIGHTS, weights)
        return ModelFiles(config, weights, history, forecasts)

    return _read(directory, read_files)


def read_config(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the configuration of a model directory alone.

    Raises:
        InputError: as `read`.
    """

    def read_file(opened: OpenDirectory) -> dict[str, Any]:
        with _open(opened, CONFIG) as file:
            return _parse_config(opened.path / CONFIG, read_whole(file, opened.path / CONFIG))

    return _read(directory, read_file)


def read_forecasts(directory: str | os.PathLike[str]) -> bytes:
    """Read the log of forecasts of a model directory, empty where there is none.

    Raises:
        InputError: for anything but a regular file of at most 32 MiB.
    """
    return _read(directory, _read_forecasts)


@contextmanager
def locked(directory: str | os.PathLike[str]) -> Iterator[None]:
    """Keep a model directory for one writer of its log at a time, also where others replace the directory.

    Raises:
        OSError: where there is none.
    """
    with atomic_directories.locked_directory(atomic_directories.resolve(directory)):
        yield


def write_forecasts(directory: str | os.PathLike[str], forecasts: bytes) -> None:
    """Replace the log of forecasts in a model directory; within `locked`.

    Raises:
        OSError: where it cannot be written.
    """
    path = atomic_directories.resolve(directory)
    staged = path / f".{FORECASTS}"
    staged.unlink(missing_ok=True)  # it may be a link
    _write_durably(staged, forecasts)
    os.replace(staged, path / FORECASTS)


def _read_forecasts(opened: OpenDirectory) -> bytes:
    if FORECASTS not in opened.entries():
        return b""
    with _open(opened, FORECASTS) as file:
        return read_whole(file, opened.path / FORECASTS)


def _read(directory: str | os.PathLike[str], read_files: Callable[[OpenDirectory], Value]) -> Value:
    path = Path(directory)
    if not (path / CONFIG).exists() and (path / MODEL / CONFIG).is_file():
        path /= MODEL
    try:
        return read_one_version(path, read_files)
    except FileNotFoundError as error:
        missing = f"{HISTORY} is missing" if error.filename == HISTORY else "found none"
        raise InputError(f"{directory}: expected a model directory with {CONFIG} and {WEIGHTS}, {missing}") from error
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{directory}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _open(directory: OpenDirectory, name: str) -> BinaryIO:
    return directory.open(name, max_bytes=_MAX_BYTES[name])


def _reason_to_keep(target: Path) -> str:
    """Return why a directory may not be replaced, or '' for one that was written here and holds nothing else."""

    def inspect(opened: OpenDirectory) -> str:
        with _open(opened, CONFIG) as file:
            _parse_config(opened.path / CONFIG, read_whole(file, opened.path / CONFIG), any_schema=True)
        extra = [name for name in opened.entries() if name not in {*_MAX_BYTES, f".{FORECASTS}"} or opened.kind(name)]
        return f"overwrite replaces nothing but a model, and {extra[0]} is in it: move that first" if extra else ""

    try:
        return read_one_version(target, inspect)
    except FileNotFoundError as error:
        if error.filename == str(target):  # the directory itself was just taken away
            return ""
    except (OSError, InputError):
        pass
    return "choose another name (overwrite replaces model directories only)"


def _serialize(contents: ModelFiles) -> dict[str, bytes]:
    files = {WEIGHTS: contents.weights, HISTORY: contents.history}
    sums = {name: {"bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for name, c in files.items()}
    config = {"schema": SCHEMA_VERSION, **contents.config, "files": sums}
    return files | {
        CONFIG: (json.dumps({**config, "sha256": _checksum(config)}, indent=1, default=_json_default) + "\n").encode()
    }


def _checksum(config: dict[str, Any]) -> str:
    """Return the sha256 of a configuration in one fixed spelling."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=_json_default).encode()).hexdigest()


def _parse_config(path: Path, content: bytes, *, any_schema: bool = False) -> dict[str, Any]:
    try:
        config = bounded_json.parse(content)
        claimed = config.pop("sha256")
        schema = config["schema"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f": {error}" if isinstance(error, ValueError) else ""
        raise InputError(f"{path}: damaged: no configuration of a model{reason}") from error
    if schema != SCHEMA_VERSION and not any_schema:
        raise InputError(
            f"{path}: expected schema {SCHEMA_VERSION}, got {schema!r}: written by another version of throughtime?"
        )
    if claimed != _checksum(config):
        raise InputError(f"{path}: damaged: its checksum does not fit its content")
    return config


def _read_checked(path: Path, file: BinaryIO, config: dict[str, Any]) -> bytes:
    """Return the content of a file that has the size and the sum that the configuration says."""
    try:
        size, claimed = config["files"][path.name]["bytes"], config["files"][path.name]["sha256"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path.parent / CONFIG}: damaged: no checksum of {path.name}") from error
    if os.fstat(file.fileno()).st_size == size:
        content = read_whole(file, path)
        if hashlib.sha256(content).hexdigest() == claimed:
            return content
    raise InputError(f"{path}: damaged: size or checksum are not those in {CONFIG}")


def _check_header(path: Path, weights: bytes) -> None:
    length = int.from_bytes(weights[:8], "little")
    if length > _MAX_HEADER_BYTES:
        raise InputError(f"{path}: expected at most {_MAX_HEADER_BYTES:,} bytes of names and shapes, got {length:,}")


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _json_default(value: Any) -> Any:
    """Return a setting as JSON can hold it: a number of numpy's as a number, a random generator as null."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.random.RandomState):
        return None
    raise TypeError(f"expected what JSON can hold, got {type(value).__name__}")
