"""`throughtime generate`: new text or music from a trained generator."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.output import STDOUT, print_json, write_output
from throughtime.data.music.midi import write_midi
from throughtime.data.text.symbols import UNITS
from throughtime.inference.generation.sampling import Sampling
from throughtime.tasks.generation import SequenceGenerator, plot_piano_roll

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from throughtime.app.output import FileWriter

MIDI = {".mid", ".midi"}
_PICTURES = {".png", ".svg", ".pdf"}


@dataclass(frozen=True)
class SampleRequest:
    """A request to generate a sequence.

    Attributes:
        prompt: a text; for music notes such as '60' or '60,64,67 62', with a space after each step.
        length: steps after the prompt.
        temperature: as for `SequenceGenerator.sample`.
        top_k: as for `SequenceGenerator.sample`.
        top_p: as for `SequenceGenerator.sample`.
        seed: random seed.
    """

    prompt: str | None = None
    length: int = 200
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None


def run(model: Path, request: SampleRequest, out: Path, *, as_json: bool) -> None:
    """Generate a text, printed step by step or written to a file, or music as a MIDI file, a picture or JSON.

    Raises:
        InputError: for a request, a model or a file that cannot be used.
    """
    generator = throughtime.load(model)
    if not isinstance(generator, SequenceGenerator):
        raise InputError(f"{model}: expected a model for generate, got a {type(generator).__name__}")
    is_music, to_file = generator.unit_ not in UNITS, str(out) != STDOUT
    if to_file:
        _check_extension(out, is_music=is_music)
    prompt = _parse_notes(request.prompt) if is_music and request.prompt else request.prompt
    with located_errors():
        Sampling(request.temperature, request.top_k, request.top_p)
    options: dict[str, Any] = {"temperature": request.temperature, "top_k": request.top_k, "top_p": request.top_p}
    options["random_state"] = request.seed
    if not (to_file or is_music or as_json):
        stream = itertools.islice(generator.stream(prompt, **options), request.length)
        _print_stream(itertools.chain([request.prompt or ""], stream))
        return
    sample = generator.sample(request.length, prompt, **options)
    console = ConsoleOutput()
    if to_file:
        write_output(out, sample_file(sample, prompt_steps=len(prompt) if is_music and prompt else 0))
        console.say(f"Written: {out}")
    if as_json:
        print_json({"model": str(model), **({"out": str(out)} if to_file else {"generated": sample})})
    elif not to_file:
        console.write(json.dumps(sample) + "\n")


def sample_file(sample: Any, *, prompt_steps: int = 0) -> FileWriter:
    """Return the writer of a text or a piece; the name of the file decides on its format.

    Args:
        sample: a text, or the notes of each step.
        prompt_steps: steps at the beginning that a picture marks as the prompt.
    """

    def write(path: Path) -> None:
        extension = path.suffix.lower()
        if isinstance(sample, str):
            path.write_text(sample, encoding="utf-8")
        elif extension in MIDI:
            write_midi(path, sample)
        elif extension in _PICTURES:
            plot_piano_roll(sample, prompt_steps=prompt_steps).savefig(path)
        else:
            path.write_text(json.dumps(sample) + "\n", encoding="utf-8")

    return write


def _check_extension(out: Path, *, is_music: bool) -> None:
    extension = out.suffix.lower()
    if is_music and extension not in MIDI | _PICTURES | {".json"}:
        raise InputError(f"--out: {out}: expected a name that ends in .mid, .png, .svg, .pdf or .json for music")
    if not is_music and extension in MIDI | _PICTURES:
        raise InputError(f"--out: {out} is for music, and this model writes text; name a .txt file")


def _print_stream(pieces: Iterator[str]) -> None:
    console = ConsoleOutput()
    for piece in itertools.chain(pieces, ["\n"]):
        console.write(piece)


def _parse_notes(prompt: str) -> list[list[int]]:
    try:
        return [[int(note) for note in step.split(",")] for step in prompt.split()]
    except ValueError:
        raise InputError(
            f"--prompt: expected MIDI notes such as 60, or 60,64,67 62 for two steps, got {prompt!r}"
        ) from None
