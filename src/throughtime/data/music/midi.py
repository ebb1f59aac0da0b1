"""Read and write MIDI files, through mido.

A piano roll holds the notes that sound at each step, not their onsets: a note that sounds at two consecutive steps is
held. Times are rounded to whole steps, and percussion (channel 10) is skipped.
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

_TICKS_PER_BEAT = 480  # in files that are written
_PERCUSSION_CHANNEL = 9
_MAX_STEPS = 1_000_000  # steps; a damaged file may claim years
_VELOCITY = 80


def write_midi(
    path: str | os.PathLike[str], piece: Any, *, steps_per_beat: int = 2, beats_per_minute: float = 120.0
) -> None:
    """Write a piece as a MIDI file.

    Args:
        path: path of the file.
        piece: steps, each a list of notes 21 … 108.
        steps_per_beat: steps of a quarter note.
        beats_per_minute: tempo.

    Raises:
        InputError: if the piece is invalid, or the file cannot be written.
    """
    with requires("music", "a MIDI file"):
        import mido

    roll = as_roll(piece)
    step = _ticks_per_step(_TICKS_PER_BEAT, steps_per_beat)
    if not 4 <= beats_per_minute <= 1000:
        raise InputError(f"beats_per_minute: expected 4 to 1000, got {beats_per_minute}")
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(beats_per_minute))])
    edges = np.diff(np.pad(roll.astype(np.int8), ((1, 1), (0, 0))), axis=0)
    last = 0
    for number, edge in enumerate(edges):
        for sign, kind in ((-1, "note_off"), (1, "note_on")):
            for key in np.flatnonzero(edge == sign):
                note = int(key) + LOWEST
                track.append(mido.Message(kind, note=note, velocity=_VELOCITY, time=(number - last) * step))
                last = number
    track.append(mido.MetaMessage("end_of_track", time=(len(roll) - last) * step))
    try:
        mido.MidiFile(ticks_per_beat=_TICKS_PER_BEAT, tracks=[track]).save(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_midi(path: str | os.PathLike[str], *, steps_per_beat: int = 2) -> Piece:
    """Read a MIDI file, all its tracks, as a piece.

    Args:
        path: path of the file.
        steps_per_beat: steps of a quarter note.

    Raises:
        InputError: if the file is not a valid MIDI file, has no notes, or has notes outside the range of a piano.
    """
    try:
        ticks, notes, end = _read_notes(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise InputError(f"{path}: expected a MIDI file; it is damaged or has another format: {error}") from error
    if not notes:
        raise InputError(f"{path}: expected a MIDI file with notes, got none")
    step = _ticks_per_step(ticks, steps_per_beat)
    out_of_range = next((note for note, _, _ in notes if not LOWEST <= note <= HIGHEST), None)
    if out_of_range is not None:
        raise InputError(
            f"{path}: expected notes of a piano, {LOWEST} to {HIGHEST}, got {out_of_range}; transpose the piece first"
        )
    steps = max(round(end / step), *(round(onset / step) + 1 for _, onset, _ in notes))
    if steps > _MAX_STEPS:
        raise InputError(f"{path}: expected at most {_MAX_STEPS:,} steps, got {steps:,}; is the file damaged?")
    roll = np.zeros((steps, HIGHEST - LOWEST + 1), dtype=np.uint8)
    for note, onset, release in notes:
        first = round(onset / step)
        roll[first : max(round(release / step), first + 1), note - LOWEST] = 1
    return as_piece(roll)


def _read_notes(path: str | os.PathLike[str]) -> tuple[int, list[tuple[int, int, int]], int]:
    """Return the ticks per beat, the notes of a file with their first and last tick, and its last tick."""
    with requires("music", "a MIDI file"):
        import mido

    file = mido.MidiFile(path)
    if file.ticks_per_beat < 1:
        raise ValueError(f"{file.ticks_per_beat} ticks a beat")
    notes: list[tuple[int, int, int]] = []
    track_ends = [0]
    for track in file.tracks:
        sounding: dict[tuple[int, int], int] = {}
        tick = 0
        for tick, message in _iter_timed(track):
            channel = None if message.is_meta or message.type not in {"note_on", "note_off"} else message.channel
            if channel is None or channel == _PERCUSSION_CHANNEL:
                continue
            onset = sounding.pop((channel, message.note), None)
            if onset is not None:
                notes.append((message.note, onset, tick))
            if message.type == "note_on" and message.velocity:
                sounding[channel, message.note] = tick
        notes += [(note, onset, tick) for (_, note), onset in sounding.items()]
        track_ends.append(tick)
    return file.ticks_per_beat, notes, max(track_ends)


def _iter_timed(track: Any) -> Iterator[tuple[int, Any]]:
    tick = 0
    for message in track:
        tick += message.time
        yield tick, message


def _ticks_per_step(ticks: int, steps_per_beat: int) -> int:
    if steps_per_beat < 1 or ticks % steps_per_beat:
        raise InputError(f"steps_per_beat: expected a divisor of {ticks}, the ticks of a beat, got {steps_per_beat}")
    return ticks // steps_per_beat
