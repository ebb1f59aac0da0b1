"""Piano rolls: a piece is a list of time steps, and a step a list of the MIDI notes that sound, 21 (A0) to 108 (C8)."""

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

    from jaxtyping import Shaped, UInt8

    Piece = list[list[int]]

LOWEST, HIGHEST = 21, 108
"""Range of the notes of a piano."""

KEYS = HIGHEST - LOWEST + 1


def as_roll(piece: Any, name: str = "piece") -> UInt8[np.ndarray, "T 88"]:
    """Convert a piece to a piano roll of zeros and ones.

    Args:
        piece: a list of lists of notes, or a piano roll.
        name: name of the piece, for messages.

    Raises:
        InputError: if the piece has no steps, notes outside the range of a piano, or rows of another width.
    """
    if isinstance(piece, np.ndarray):
        return _checked_rows(piece, name)
    if not isinstance(piece, list | tuple) or not piece:
        raise InputError(f"{name}: expected a list of steps, each a list of MIDI notes, got {_describe(piece)}")
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
    """Convert pieces to piano rolls.

    Raises:
        InputError: if there is no piece, or one is invalid.
    """
    if isinstance(pieces, np.ndarray) and pieces.ndim == 3:
        pieces = list(pieces)
    pieces = as_items(pieces, "pieces", "pieces, each a list of steps")
    if not pieces:
        raise InputError("pieces: expected a list of pieces, each a list of steps, got an empty list")
    if isinstance(pieces[0], str):
        raise InputError("pieces: expected lists of steps, got texts; join those to one, as in '\\n'.join(texts)")
    return [as_roll(piece, f"piece {number}") for number, piece in enumerate(pieces, 1)]


def as_piece(roll: Shaped[np.ndarray, "T 88"]) -> Piece:
    """Convert a piano roll to a piece, the inverse of `as_roll`."""
    return [[int(key) + LOWEST for key in np.flatnonzero(row)] for row in roll]


def transpose(roll: UInt8[np.ndarray, "T 88"], semitones: int) -> UInt8[np.ndarray, "T 88"]:
    """Transpose a piano roll; it is returned unchanged if a note would leave the range of the piano."""
    if not semitones:
        return roll
    rolled = np.roll(roll, semitones, axis=1)
    wrapped = rolled[:, :semitones] if semitones > 0 else rolled[:, semitones:]
    return roll if wrapped.any() else rolled


def read_pieces(path: Path) -> dict[str, list[Piece]]:
    """Read a JSON file, which may be gzipped, with a list of pieces, or lists called 'train', 'valid' and 'test'.

    Raises:
        InputError: if the file cannot be read, or has another format.
    """
    try:
        content = path.read_bytes()
        data = json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, zlib.error, RecursionError) as error:
        raise InputError(f"{path}: expected JSON with lists of pieces; it is damaged or has another format") from error
    splits = data if isinstance(data, dict) else {"train": data}
    if "train" not in splits:
        raise InputError(f"{path}: expected a list of pieces, or an object with the keys train, valid and test")
    for name in splits:
        try:
            as_rolls(splits[name])
        except InputError as error:
            raise InputError(f"{path}, {name}, {error}") from error
    return splits


def _checked_rows(rows: np.ndarray, name: str) -> UInt8[np.ndarray, "T 88"]:
    if rows.ndim != 2 or rows.shape[1] != KEYS or not len(rows):
        raise InputError(f"{name}: expected rows of {KEYS} keys, one for each step, got an array of shape {rows.shape}")
    if not np.isin(rows, (0, 1)).all():
        raise InputError(f"{name}: expected zeros and ones, 1 where a key sounds, got other numbers")
    return rows.astype(np.uint8)


def _describe(value: Any) -> str:
    if isinstance(value, list | tuple) and not len(value):
        return "an empty list"
    return type(value).__name__
