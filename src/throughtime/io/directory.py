"""Model directories: `model.safetensors`, `config.json`, `history.jsonl`, and nothing that could run.

Writing is atomic: everything is written and flushed to disk in a sibling directory, which then takes the name. Where
a directory is replaced, the old one keeps a second name until the new one stands, and is found there if the machine
stopped in between. Reading trusts nobody: `config.json` holds size and sha256 of the other files and of itself.

Here they are bytes; `checkpoint.py` makes tensors of them, `throughtime.runtime` arrays.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from throughtime._errors import InputError

SCHEMA = 1
"""Version of what stands in a model directory."""

WEIGHTS, CONFIG, HISTORY = "model.safetensors", "config.json", "history.jsonl"
_LARGEST_CONFIG = 256 * 2**20  # bytes; what is longer is cut, and so refused


@dataclass(frozen=True)
class Contents:
    """What a model directory holds.

    Attributes:
        config: what JSON can hold; 'task' names who can read the rest.
        weights: in the format of safetensors.
        history: JSON lines, one for each epoch.
    """

    config: dict[str, Any]
    weights: bytes
    history: bytes = b""


def write(directory: str | os.PathLike[str], contents: Contents, *, overwrite: bool = False) -> None:
    """Write a model directory, all of it or nothing.

    Raises:
        InputError: where something of that name exists (with `overwrite`: that is no model directory), or the place
            cannot be written.
    """
    target = Path(directory)
    _restore_old(target)
    if os.path.lexists(target) and not (overwrite and _is_model(target)):
        advice = "choose another name" + (" (overwrite replaces model directories only)" if overwrite else "")
        raise InputError(f"{target} exists already; {advice}")
    fresh = target.with_name(f".{target.name}.new-{os.getpid()}")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for name, content in _files(contents).items():
            _write_durably(fresh / name, content)
        _flush_directory(fresh)
        if target.exists():
            shutil.rmtree(_old(target), ignore_errors=True)  # what a replacement that was cut short has left of it
            os.replace(target, _old(target))
        os.replace(fresh, target)
        _flush_directory(target.parent)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(_old(target), ignore_errors=True)


def read(directory: str | os.PathLike[str]) -> Contents:
    """Read a model directory.

    Raises:
        InputError: for one that is none, is damaged, or was written by a newer version.
    """
    target = Path(directory)
    _restore_old(target)
    if not _is_model(target):
        raise InputError(f"{target}: expected a model directory with {CONFIG} and {WEIGHTS}, found none")
    config = _read_config(target)
    weights, history = (_read_checked(target / name, config) for name in (WEIGHTS, HISTORY))
    return Contents(config, weights, history)


def _files(contents: Contents) -> dict[str, bytes]:
    found = {WEIGHTS: contents.weights, HISTORY: contents.history}
    sums = {name: {"bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for name, c in found.items()}
    config = {"schema": SCHEMA, **contents.config, "files": sums}
    return found | {CONFIG: (json.dumps({**config, "sha256": _sum(config)}, indent=1, default=_plain) + "\n").encode()}


def _sum(config: dict[str, Any]) -> str:
    """The sha256 of a configuration in one fixed spelling."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=_plain).encode()).hexdigest()


def _read_config(target: Path) -> dict[str, Any]:
    path = target / CONFIG
    try:
        with path.open("rb") as file:
            config = json.loads(file.read(_LARGEST_CONFIG))
        claimed = config.pop("sha256")
        schema = config["schema"]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: damaged: no configuration of a model") from error
    if schema != SCHEMA:
        raise InputError(
            f"{path}: expected schema {SCHEMA}, got {schema!r}: written by another version of throughtime?"
        )
    if claimed != _sum(config):
        raise InputError(f"{path}: damaged: its checksum does not fit its content")
    return config


def _read_checked(path: Path, config: dict[str, Any]) -> bytes:
    """The content of a file that has the size and the sum that the configuration says."""
    try:
        size, claimed = config["files"][path.name]["bytes"], config["files"][path.name]["sha256"]
        if path.stat().st_size == size:
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == claimed:
                return content
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (KeyError, TypeError) as error:
        raise InputError(f"{path.parent / CONFIG}: damaged: no checksum of {path.name}") from error
    raise InputError(f"{path}: damaged: size or checksum are not those in {CONFIG}")


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_directory(path: Path) -> None:
    if os.name == "posix":  # elsewhere a directory cannot be opened
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _is_model(target: Path) -> bool:
    return (target / CONFIG).is_file() and (target / WEIGHTS).is_file()


def _old(target: Path) -> Path:
    """The second name of a directory that is being replaced."""
    return target.with_name(f".{target.name}.old")


def _restore_old(target: Path) -> None:
    """Bring back what a replacement that was cut short has left under its second name."""
    if not os.path.lexists(target) and _is_model(_old(target)):
        os.replace(_old(target), target)


def _plain(value: Any) -> Any:
    """What JSON can hold of a setting: a number for one of numpy's, nothing for a generator of random numbers."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.random.RandomState):
        return None
    raise TypeError(f"expected what JSON can hold, got {type(value).__name__}")
