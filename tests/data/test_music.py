"""Piano rolls and MIDI files: what is written comes back, what is damaged is one clear error."""

from __future__ import annotations

import gzip
import json
import random
from typing import TYPE_CHECKING

import mido
import numpy as np
import pytest

from throughtime import InputError
from throughtime.data.music.midi import read_midi, write_midi
from throughtime.data.music.piano_roll import as_piece, as_roll, as_rolls, read_pieces, transpose

if TYPE_CHECKING:
    from pathlib import Path

PIECE = [[60, 64, 67], [60, 64, 67], [], [62], [21, 108], [21], []]


def random_piece(seed: int, steps: int = 40) -> list[list[int]]:
    rng = random.Random(seed)
    return [sorted(rng.sample(range(21, 109), rng.randrange(6))) for _ in range(steps)]


def test_a_piece_comes_back_from_its_roll() -> None:
    assert as_piece(as_roll(PIECE)) == PIECE
    assert (as_roll(as_roll(PIECE)) == as_roll(PIECE)).all()


@pytest.mark.parametrize("steps_per_beat", [1, 2, 4, 12])
@pytest.mark.parametrize("piece", [PIECE, *(random_piece(seed) for seed in range(3))])
def test_a_piece_comes_back_from_a_midi_file(tmp_path: Path, piece: list[list[int]], steps_per_beat: int) -> None:
    write_midi(tmp_path / "tune.mid", piece, steps_per_beat=steps_per_beat)
    assert read_midi(tmp_path / "tune.mid", steps_per_beat=steps_per_beat) == piece


def test_a_held_note_is_struck_once_and_the_tempo_is_kept(tmp_path: Path) -> None:
    write_midi(tmp_path / "tune.mid", [[60]] * 8, steps_per_beat=2, beats_per_minute=90)
    file = mido.MidiFile(tmp_path / "tune.mid")
    (track,) = file.tracks
    assert [message.type for message in track] == ["set_tempo", "note_on", "note_off", "end_of_track"]
    assert file.length == pytest.approx(4 * 60 / 90)


def test_all_tracks_are_read_but_percussion(tmp_path: Path) -> None:
    tracks = [
        mido.MidiTrack(
            [
                mido.Message("note_on", note=note, channel=channel, time=start),
                mido.Message("note_on", note=note, channel=channel, velocity=0, time=96),
            ]
        )
        for note, channel, start in ((60, 0, 0), (64, 1, 96), (40, 9, 0))
    ]
    mido.MidiFile(ticks_per_beat=96, tracks=tracks).save(tmp_path / "band.mid")
    assert read_midi(tmp_path / "band.mid", steps_per_beat=1) == [[60], [64]]


def test_a_damaged_midi_file_is_one_clear_error_or_some_piece(tmp_path: Path) -> None:
    write_midi(tmp_path / "tune.mid", random_piece(0))
    content, rng, path = (tmp_path / "tune.mid").read_bytes(), random.Random(0), tmp_path / "damaged.mid"
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        if rng.random() < 0.5:
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        else:
            del damaged[rng.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        try:
            as_roll(read_midi(path))
        except InputError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("content", [b"", b"RIFF", b"MThd", b"x" * 1000, bytes(100)])
def test_what_is_no_midi_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tune.mid").write_bytes(content)
    with pytest.raises(InputError, match="expected a MIDI file"):
        read_midi(tmp_path / "tune.mid")


def test_a_midi_file_of_years_is_refused(tmp_path: Path) -> None:
    track = mido.MidiTrack([mido.Message("note_on", note=60), mido.Message("note_off", note=60, time=0x0FFFFFFF)])
    mido.MidiFile(ticks_per_beat=24, tracks=[track]).save(tmp_path / "tune.mid")
    with pytest.raises(InputError, match="at most 1,000,000 steps"):
        read_midi(tmp_path / "tune.mid")


def test_midi_files_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_midi(tmp_path / "absent.mid")
    mido.MidiFile(tracks=[mido.MidiTrack()]).save(tmp_path / "silent.mid")
    with pytest.raises(InputError, match="got none"):
        read_midi(tmp_path / "silent.mid")
    track = mido.MidiTrack([mido.Message("note_on", note=12), mido.Message("note_off", note=12, time=480)])
    mido.MidiFile(tracks=[track]).save(tmp_path / "deep.mid")
    with pytest.raises(InputError, match="21 to 108, got 12"):
        read_midi(tmp_path / "deep.mid")
    with pytest.raises(InputError, match="a divisor of 480"):
        write_midi(tmp_path / "tune.mid", PIECE, steps_per_beat=7)
    with pytest.raises(InputError, match="cannot be written"):
        write_midi(tmp_path / "absent" / "tune.mid", PIECE)


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        ([], "expected a list of steps, each a list of MIDI notes, got an empty list"),
        ("tune", "got str"),
        ([60], "piece, step 1: expected a list of MIDI notes such as"),
        ([[60], [20]], "piece, step 2: expected notes of a piano, 21 to 108, got 20"),
        ([[109]], "got 109"),
        ([["C4"]], "got 'C4'"),
        ([[60.5]], "got 60.5"),
        (np.zeros((3, 87)), r"rows of 88 keys, one for each step, got an array of shape \(3, 87\)"),
        (np.full((3, 88), 0.5), "zeros and ones"),
    ],
)
def test_a_piece_that_no_piano_plays_is_refused(piece: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_roll(piece)


def test_the_piece_at_fault_is_named() -> None:
    with pytest.raises(InputError, match="piece 2, step 1"):
        as_rolls([PIECE, [[7]]])
    with pytest.raises(InputError, match="piece 2: expected rows of 88 keys"):
        as_rolls([as_roll(PIECE), np.zeros((4, 12))])
    with pytest.raises(InputError, match="expected a list of pieces"):
        as_rolls([])


def test_transposing_moves_every_note_or_none() -> None:
    assert as_piece(transpose(as_roll([[60, 64]]), -3)) == [[57, 61]]
    assert as_piece(transpose(as_roll([[60, 107]]), 2)) == [[60, 107]]
    assert as_piece(transpose(as_roll([[22, 60]]), -2)) == [[22, 60]]


def test_pieces_come_from_json(tmp_path: Path) -> None:
    path = tmp_path / "pieces.json"
    path.write_text(json.dumps([PIECE]))
    assert read_pieces(path) == {"train": [PIECE]}
    path.write_bytes(gzip.compress(json.dumps({"train": [PIECE], "test": [PIECE]}).encode()))
    assert set(read_pieces(path)) == {"train", "test"}
    path.write_text(json.dumps({"train": [[[19]]]}))
    with pytest.raises(InputError, match=r"pieces.json, train, piece 1, step 1: expected notes"):
        read_pieces(path)
    for content in (b"{", b"\x1f\x8bxx", b'{"songs": []}', b"[]"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"pieces.json"):
            read_pieces(path)
