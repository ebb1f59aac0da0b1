"""MIDI files in and out, through mido.

A piano roll knows which notes sound at each step, not which were struck again: a note that sounds at two steps in a
row is held. What is read is rounded to whole steps; percussion (channel 10) is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError, requires
from throughtime.data.music.piano_roll import HIGHEST, LOWEST, as_piece, as_roll

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from throughtime.data.music.piano_roll import Piece

_TICKS = 480  # of a beat, in files that are written
_PERCUSSION = 9
_LONGEST = 1_000_000  # steps; a damaged file may claim years
_VELOCITY = 80


def write_midi(
    path: str | os.PathLike[str], piece: Any, *, steps_per_beat: int = 2, beats_per_minute: float = 120.0
) -> None:
    """Write a piece as a MIDI file.

    Args:
        path: of the file.
        piece: steps, each a list of notes 21 … 108.
        steps_per_beat: steps of a quarter note.
        beats_per_minute: the tempo.

    Raises:
        InputError: for a piece that cannot be played, or a file that cannot be written.
    """
    with requires("music", "a MIDI file"):
        import mido

    roll = as_roll(piece)
    step = _ticks_of_step(_TICKS, steps_per_beat)
    if not 4 <= beats_per_minute <= 1000:
        raise InputError(f"beats_per_minute: expected 4 to 1000, got {beats_per_minute}")
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(beats_per_minute))])
    edges = np.diff(np.pad(roll.astype(np.int8), ((1, 1), (0, 0))), axis=0)
    told = 0
    for number, edge in enumerate(edges):
        for sign, kind in ((-1, "note_off"), (1, "note_on")):
            for key in np.flatnonzero(edge == sign):
                note = int(key) + LOWEST
                track.append(mido.Message(kind, note=note, velocity=_VELOCITY, time=(number - told) * step))
                told = number
    track.append(mido.MetaMessage("end_of_track", time=(len(roll) - told) * step))
    try:
        mido.MidiFile(ticks_per_beat=_TICKS, tracks=[track]).save(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_midi(path: str | os.PathLike[str], *, steps_per_beat: int = 2) -> Piece:
    """Read a MIDI file, all its tracks, as a piece.

    Args:
        path: of the file.
        steps_per_beat: steps of a quarter note.

    Raises:
        InputError: for a file that is damaged or no MIDI file, has no notes, or has notes that no piano has.
    """
    try:
        ticks, notes, end = _notes(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise InputError(f"{path}: expected a MIDI file; it is damaged or something else: {error}") from error
    if not notes:
        raise InputError(f"{path}: expected a MIDI file with notes, found none")
    step = _ticks_of_step(ticks, steps_per_beat)
    outside = next((note for note, _, _ in notes if not LOWEST <= note <= HIGHEST), None)
    if outside is not None:
        raise InputError(
            f"{path}: expected notes of a piano, {LOWEST} to {HIGHEST}, got {outside}; transpose the piece first"
        )
    steps = max(round(end / step), *(round(on / step) + 1 for _, on, _ in notes))
    if steps > _LONGEST:
        raise InputError(f"{path}: expected at most {_LONGEST:,} steps, got {steps:,}; is the file damaged?")
    roll = np.zeros((steps, HIGHEST - LOWEST + 1), dtype=np.uint8)
    for note, on, off in notes:
        first = round(on / step)
        roll[first : max(round(off / step), first + 1), note - LOWEST] = 1
    return as_piece(roll)


def _notes(path: str | os.PathLike[str]) -> tuple[int, list[tuple[int, int, int]], int]:
    """Ticks of a beat, the notes of a file with their first and last tick, and its last tick."""
    with requires("music", "a MIDI file"):
        import mido

    file = mido.MidiFile(path)
    if file.ticks_per_beat < 1:
        raise ValueError(f"{file.ticks_per_beat} ticks a beat")
    notes: list[tuple[int, int, int]] = []
    ends = [0]
    for track in file.tracks:
        sounding: dict[tuple[int, int], int] = {}
        now = 0
        for now, message in _timed(track):
            key = None if message.is_meta or message.type not in {"note_on", "note_off"} else message.channel
            if key is None or key == _PERCUSSION:
                continue
            began = sounding.pop((key, message.note), None)
            if began is not None:
                notes.append((message.note, began, now))
            if message.type == "note_on" and message.velocity:
                sounding[key, message.note] = now
        notes += [(note, began, now) for (_, note), began in sounding.items()]
        ends.append(now)
    return file.ticks_per_beat, notes, max(ends)


def _timed(track: Any) -> Iterator[tuple[int, Any]]:
    now = 0
    for message in track:
        now += message.time
        yield now, message


def _ticks_of_step(ticks: int, steps_per_beat: int) -> int:
    if steps_per_beat < 1 or ticks % steps_per_beat:
        raise InputError(f"steps_per_beat: expected a divisor of {ticks}, the ticks of a beat, got {steps_per_beat}")
    return ticks // steps_per_beat
