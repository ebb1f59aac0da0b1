"""`throughtime generate`: new text or music from a generator that was trained before."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime._core.errors import InputError
from throughtime.app import output
from throughtime.app.console import ConsoleOutput
from throughtime.data.music.midi import write_midi
from throughtime.data.text.symbols import UNITS
from throughtime.tasks.generation import SequenceGenerator, plot_piano_roll
from throughtime.tasks.generation.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Iterator

MIDI = {".mid", ".midi"}
_PICTURES = {".png", ".svg", ".pdf"}
_STDOUT = "-"


@dataclass(frozen=True)
class SampleRequest:
    """What is to be generated.

    Attributes:
        prompt: a text; for music notes such as '60' or '60,64,67 62', a step behind each blank.
        length: steps behind it.
        temperature: see `SequenceGenerator.sample`.
        top_k: likewise.
        top_p: likewise.
        seed: makes it reproducible.
    """

    prompt: str | None = None
    length: int = 200
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None


def generate(model: Path, wish: SampleRequest, out: Path, *, as_json: bool) -> None:
    """Write something new: text to the screen as it comes, or a file; music as a MIDI file, a picture or JSON.

    Raises:
        InputError: for whatever a user can mend.
    """
    generator = throughtime.load(model)
    if not isinstance(generator, SequenceGenerator):
        raise InputError(f"{model}: expected a model that generates; this one has another task")
    music = generator.unit_ not in UNITS
    if str(out) != _STDOUT:
        _check_kind(out, music=music)
    prompt = _notes(wish.prompt) if music and wish.prompt else wish.prompt
    try:
        Sampling(wish.temperature, wish.top_k, wish.top_p)
    except InputError as error:
        raise InputError(output.name_option(str(error))) from error
    options = {"temperature": wish.temperature, "top_k": wish.top_k, "top_p": wish.top_p, "random_state": wish.seed}
    if str(out) == _STDOUT and not music and not as_json:
        _show(itertools.chain([wish.prompt or ""], itertools.islice(generator.stream(prompt, **options), wish.length)))
        return
    made = generator.sample(wish.length, prompt, **options)
    if str(out) != _STDOUT:
        write(out, made, given=len(prompt) if music and prompt else 0)
        ConsoleOutput().say(f"Written: {out}")
    if as_json:
        found = {"out": str(out)} if str(out) != _STDOUT else {"generated": made}
        output.print_json({"model": str(model), **found})
    elif str(out) == _STDOUT:
        ConsoleOutput().write(json.dumps(made) + "\n")


def write(out: Path, made: Any, *, given: int = 0) -> None:
    """Write a text or a piece as a file, whole or not at all: what kind of file, its name says.

    Raises:
        InputError: where it cannot be written.
    """
    if not out.absolute().parent.is_dir():
        raise InputError(f"--out: {out} cannot be written: there is no such directory")
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}-") as work:
        fresh = Path(work) / out.name
        if isinstance(made, str):
            fresh.write_text(made, encoding="utf-8")
        elif out.suffix.lower() in MIDI:
            write_midi(fresh, made)
        elif out.suffix.lower() in _PICTURES:
            plot_piano_roll(made, given=given).savefig(fresh)
        else:
            fresh.write_text(json.dumps(made) + "\n", encoding="utf-8")
        os.replace(fresh, out)


def _check_kind(out: Path, *, music: bool) -> None:
    kind = out.suffix.lower()
    if music and kind not in MIDI | _PICTURES | {".json"}:
        raise InputError(f"--out: {out}: expected a name that ends in .mid, .png, .svg, .pdf or .json for music")
    if not music and kind in MIDI | _PICTURES:
        raise InputError(f"--out: {out} is for music, and this model writes text; name a .txt file")


def _show(pieces: Iterator[str]) -> None:
    screen = ConsoleOutput()
    for piece in itertools.chain(pieces, ["\n"]):
        screen.write(piece)


def _notes(prompt: str) -> list[list[int]]:
    try:
        return [[int(note) for note in step.split(",")] for step in prompt.split()]
    except ValueError:
        raise InputError(
            f"--prompt: expected MIDI notes such as 60, or 60,64,67 62 for two steps, got {prompt!r}"
        ) from None
