"""Piano rolls: a piece is a list of time steps, a step the list of MIDI notes that sound, 21 (A0) to 108 (C8)."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.containers import as_items

if TYPE_CHECKING:
    from pathlib import Path

    from jaxtyping import UInt8

    Piece = list[list[int]]

LOWEST, HIGHEST = 21, 108
"""Notes of a piano."""

KEYS = HIGHEST - LOWEST + 1


def as_roll(piece: Any, name: str = "piece") -> UInt8[np.ndarray, "T 88"]:
    """A piece as one row of 88 zeros and ones for each step.

    Args:
        piece: a list of lists of notes, or such rows already.
        name: of the piece, for complaints.

    Raises:
        InputError: for a piece of no steps, notes that no piano has, or rows of another width.
    """
    if isinstance(piece, np.ndarray):
        return _checked_rows(piece, name)
    if not isinstance(piece, list | tuple) or not piece:
        raise InputError(f"{name}: expected a list of steps, each a list of MIDI notes, got {_shown(piece)}")
    roll = np.zeros((len(piece), KEYS), dtype=np.uint8)
    for number, step in enumerate(piece, 1):
        if isinstance(step, np.ndarray) and step.ndim == 1:
            step = step.tolist()  # noqa: PLW2901
        if not isinstance(step, list | tuple):
            raise InputError(f"{name}, step {number}: expected a list of MIDI notes such as [60, 64], got {step!r}")
        for note in step:
            if isinstance(note, bool) or not isinstance(note, int | np.integer) or not LOWEST <= note <= HIGHEST:
                raise InputError(
                    f"{name}, step {number}: expected notes of a piano, {LOWEST} to {HIGHEST}, got {note!r}; transpose "
                    "the piece or leave such notes out"
                )
            roll[number - 1, note - LOWEST] = 1
    return roll


def as_rolls(pieces: Any) -> list[UInt8[np.ndarray, "T 88"]]:
    """Pieces as rows of zeros and ones.

    Raises:
        InputError: where there is no piece, or one cannot be used.
    """
    if isinstance(pieces, np.ndarray) and pieces.ndim == 3:
        pieces = list(pieces)
    pieces = as_items(pieces, "pieces", "pieces, each a list of steps")
    if not pieces:
        raise InputError("pieces: expected a list of pieces, each a list of steps, got an empty list")
    if isinstance(pieces[0], str):
        raise InputError("pieces: expected lists of steps, got texts; join those to one, as in '\\n'.join(texts)")
    return [as_roll(piece, f"piece {number}") for number, piece in enumerate(pieces, 1)]


def as_piece(roll: UInt8[np.ndarray, "T 88"]) -> Piece:
    """Undo `as_roll`."""
    return [[int(key) + LOWEST for key in np.flatnonzero(row)] for row in roll]


def transpose(roll: UInt8[np.ndarray, "T 88"], semitones: int) -> UInt8[np.ndarray, "T 88"]:
    """All notes higher by some semitones, or lower; by none where a note would leave the piano."""
    if not semitones:
        return roll
    moved = np.roll(roll, semitones, axis=1)
    over = moved[:, :semitones] if semitones > 0 else moved[:, semitones:]
    return roll if over.any() else moved


def read_pieces(path: Path) -> dict[str, list[Piece]]:
    """Pieces of a JSON file, perhaps gzipped, that holds a list of them, or lists called 'train', 'valid' and 'test'.

    Raises:
        InputError: where there is no such file, or it holds something else.
    """
    try:
        content = path.read_bytes()
        found = json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, zlib.error, RecursionError) as error:
        raise InputError(f"{path}: expected JSON with lists of pieces; it is damaged or something else") from error
    parts = found if isinstance(found, dict) else {"train": found}
    if "train" not in parts:
        raise InputError(f"{path}: expected a list of pieces, or an object with the keys train, valid and test")
    for name in parts:
        try:
            as_rolls(parts[name])
        except InputError as error:
            raise InputError(f"{path}, {name}, {error}") from error
    return parts


def _checked_rows(rows: np.ndarray, name: str) -> UInt8[np.ndarray, "T 88"]:
    if rows.ndim != 2 or rows.shape[1] != KEYS or not len(rows):
        raise InputError(f"{name}: expected rows of {KEYS} keys, one for each step, got an array of shape {rows.shape}")
    if not np.isin(rows, (0, 1)).all():
        raise InputError(f"{name}: expected zeros and ones, 1 where a key sounds, got other numbers")
    return rows.astype(np.uint8)


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple) and not len(value):
        return "an empty list"
    return type(value).__name__
