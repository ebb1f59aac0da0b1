"""`throughtime train generate` and `throughtime generate`: a generator from a file, and new text or music from it."""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime import training
from throughtime._errors import InputError
from throughtime.app.places import RUN, model_directory
from throughtime.app.screen import Screen
from throughtime.data.midi import read_midi, write_midi
from throughtime.data.music import read_pieces
from throughtime.data.text import UNITS, read_text
from throughtime.tasks.generation import SequenceGenerator, plot_piano_roll

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throughtime.app.places import Place

_INTERRUPTED = 130
_MIDI = {".mid", ".midi"}
_SAMPLE = 200  # steps of the sample that a training leaves
_HELD_OUT = 0.1  # share of the data that the result is judged by, where they name no test part
_STDOUT = "-"


@dataclass(frozen=True)
class Wish:
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


def train_generate(data: Path, settings: dict[str, Any], place: Place, *, as_json: bool) -> int:
    """Train a generator on a text file, a JSON file of pieces, or a directory of MIDI files.

    A test part that the file names judges the result; else the last tenth does, which is not trained on.

    Args:
        data: the file or directory.
        settings: of `SequenceGenerator`.
        place: where the run is written.
        as_json: whether to print one JSON object.

    Returns:
        The exit code: 0, or 130 after Ctrl-C, where the best model so far is kept.

    Raises:
        InputError: for whatever a user can mend.
    """
    started, screen = time.monotonic(), Screen()
    generator = _generator(settings)
    train, validation, test = _parts(data, music=settings.get("unit") not in UNITS)
    with place.building() as directory:
        interrupted = _learn(generator, train, validation, data, screen)
        generator.save(directory / "model")
        _write_sample(generator, directory)
        generator.plot().savefig(directory / "learning.png", dpi=110)
        scores = asdict(generator.evaluate(test))
        result = {
            "model": str(place.path / "model"),
            "unit": generator.unit_,
            "test": {name: value for name, value in scores.items() if value is not None},
            "seconds": round(time.monotonic() - started, 2),
        }
        run = {"throughtime": throughtime.__version__, "data": str(data), "settings": settings, "result": result}
        (directory / RUN).write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if interrupted:
        screen.say(f"Interrupted: the best model so far is in {place.path}.")
        return _INTERRUPTED
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    else:
        screen.show(_judgement(scores), style="bold")
        screen.show(f"\nModel   {result['model']}\nSample  {place.path / _sample_name(generator)}")
    return 0


def generate(model: Path, wish: Wish, out: Path, *, overwrite: bool, as_json: bool) -> None:
    """Write something new: text to the screen as it comes, or a file; music as a MIDI file, a picture or JSON.

    Raises:
        InputError: for whatever a user can mend.
    """
    generator = throughtime.load(model_directory(model))
    if not isinstance(generator, SequenceGenerator):
        raise InputError(f"{model}: expected a model that generates; this one has another task")
    music = generator.unit_ not in UNITS
    if not music and out.suffix.lower() in _MIDI | {".png", ".svg", ".pdf"}:
        raise InputError(f"--out: {out} is for music, and this model writes text; name a .txt file")
    if str(out) != _STDOUT and os.path.lexists(out) and not (overwrite and out.is_file()):
        raise InputError(f"--out: {out} exists; name another file, or replace it with --overwrite")
    prompt = _notes(wish.prompt) if music and wish.prompt else wish.prompt
    options = {"temperature": wish.temperature, "top_k": wish.top_k, "top_p": wish.top_p, "random_state": wish.seed}
    if str(out) == _STDOUT and not music and not as_json:
        _show(itertools.chain([wish.prompt or ""], itertools.islice(generator.stream(prompt, **options), wish.length)))
        return
    made = generator.sample(wish.length, prompt, **options)
    if str(out) != _STDOUT:
        _write(out, made, given=len(prompt) if music and prompt else 0)
        Screen().say(f"Written: {out}")
    if as_json:
        found = {"out": str(out)} if str(out) != _STDOUT else {"generated": made}
        sys.stdout.write(json.dumps({"model": str(model), **found}, ensure_ascii=False) + "\n")
    elif str(out) == _STDOUT:
        sys.stdout.write(json.dumps(made) + "\n")


def _generator(settings: dict[str, Any]) -> SequenceGenerator:
    known = SequenceGenerator().get_params()
    unknown = next((name for name in settings if name not in known), None)
    if unknown is not None:
        raise InputError(f"--{unknown}: no setting of a generator; there are {', '.join(known)}")
    generator = SequenceGenerator(**settings)
    try:
        generator.check_settings()
    except InputError as error:
        raise InputError(f"--{error}") from error
    return generator


def _parts(data: Path, *, music: bool) -> tuple[Any, Any, Any]:
    """What is learned from, what validates (or None), and what judges."""
    if data.is_dir() or data.suffix.lower() in _MIDI:
        files = sorted(p for p in data.iterdir() if p.suffix.lower() in _MIDI) if data.is_dir() else [data]
        if not files:
            raise InputError(f"{data}: expected MIDI files (.mid) in the directory, found none")
        parts: dict[str, Any] = {"train": [read_midi(file) for file in files]}
    elif music and data.name.removesuffix(".gz").endswith(".json"):
        parts = read_pieces(data)
    else:
        text = read_text(data)
        cut = len(text) - int(len(text) * _HELD_OUT)
        return text[:cut], None, text[cut:]
    train, validation, test = parts["train"], parts.get("valid"), parts.get("test")
    if test is None:
        cut = max(len(train) - max(round(len(train) * _HELD_OUT), 1), 1)
        train, test = train[:cut], train[cut:] or train
    return train, validation, test


def _learn(generator: SequenceGenerator, train: Any, validation: Any, data: Path, screen: Screen) -> bool:
    """Whether Ctrl-C ended the training; there is a model then too."""
    try:
        with screen.progress("Learning") as callback:
            generator.fit(train, validation, callbacks=[callback])
    except InputError as error:
        raise InputError(f"{data}: {error}") from error
    except training.Interrupted:
        return True
    return False


def _sample_name(generator: SequenceGenerator) -> str:
    return "sample.txt" if generator.unit_ in UNITS else "sample.mid"


def _write_sample(generator: SequenceGenerator, directory: Path) -> None:
    made = generator.sample(_SAMPLE if generator.unit_ in UNITS else 64, random_state=generator.random_state)
    _write(directory / _sample_name(generator), made)
    if generator.unit_ not in UNITS:
        _write(directory / "sample.png", made)


def _write(out: Path, made: Any, *, given: int = 0) -> None:
    """Write a file whole, or not at all."""
    if not out.absolute().parent.is_dir():
        raise InputError(f"--out: {out} cannot be written: there is no such directory")
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}-") as work:
        fresh = Path(work) / out.name
        if isinstance(made, str):
            fresh.write_text(made, encoding="utf-8")
        elif out.suffix.lower() in _MIDI:
            write_midi(fresh, made)
        elif out.suffix.lower() in {".png", ".svg", ".pdf"}:
            plot_piano_roll(made, given=given).savefig(fresh)
        elif out.suffix.lower() == ".json":
            fresh.write_text(json.dumps(made) + "\n", encoding="utf-8")
        else:
            raise InputError(f"--out: {out}: expected a name that ends in .mid, .png, .svg, .pdf or .json for music")
        os.replace(fresh, out)


def _show(pieces: Iterator[str]) -> None:
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


def _notes(prompt: str) -> list[list[int]]:
    try:
        return [[int(note) for note in step.split(",")] for step in prompt.split()]
    except ValueError:
        raise InputError(
            f"--prompt: expected MIDI notes such as 60, or 60,64,67 62 for two steps, got {prompt!r}"
        ) from None


def _judgement(scores: dict[str, Any]) -> str:
    said = [f"{scores['nats']:.4g} nats per step on {scores['steps']:,} unseen steps"]
    if scores["perplexity"] is not None:
        said.append(f"perplexity {scores['perplexity']:.4g}")
        said.append(f"{scores['bits_per_character']:.4g} bits per character")
    return ", ".join(said)
