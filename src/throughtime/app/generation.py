"""`throughtime train generate`: a generator from a text, a file of pieces, or MIDI files."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime import training
from throughtime._errors import InputError
from throughtime.app.generate import MIDI, write
from throughtime.app.places import RUN
from throughtime.app.screen import Screen
from throughtime.data.midi import read_midi
from throughtime.data.music import read_pieces
from throughtime.data.stream import UNITS, read_text
from throughtime.tasks.generation import SequenceGenerator

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.places import Place

_INTERRUPTED = 130
_SAMPLE = 200  # steps of the sample that a training leaves
_HELD_OUT = 0.1  # share of the data that the result is judged by, where they name no test part


def train(order: Any) -> int:
    """Train as `throughtime train` asks for it."""
    return train_generate(order.data, order.settings, order.place, test=order.test, as_json=order.as_json)


def predict(job: Any) -> None:
    """Say that there is nothing to predict."""
    raise InputError(f"{job.model}: this model writes something new: use throughtime generate")


def evaluate(job: Any) -> None:
    """Score a generator on a file that it has not seen."""
    generator = throughtime.load(job.model)
    scores = asdict(generator.evaluate(_read(job.data, music=generator.unit_ not in UNITS)))
    if job.as_json:
        found = {name: value for name, value in scores.items() if value is not None}
        sys.stdout.write(json.dumps({"model": str(job.model), **found}, ensure_ascii=False) + "\n")
    else:
        Screen().show(_judgement(scores))


def train_generate(
    data: Path, settings: dict[str, Any], place: Place, *, test: Path | None = None, as_json: bool
) -> int:
    """Train a generator on a text file, a JSON file of pieces, or a directory of MIDI files.

    A file for that judges the result, or the test part that the data name; else their last tenth, which is not
    trained on.

    Args:
        data: the file or directory.
        settings: of `SequenceGenerator`.
        place: where the run is written.
        test: a file to judge by.
        as_json: whether to print one JSON object.

    Returns:
        The exit code: 0, or 130 after Ctrl-C, where the best model so far is kept.

    Raises:
        InputError: for whatever a user can mend.
    """
    started, screen = time.monotonic(), Screen()
    generator = _generator(settings)
    known, validation, unseen = _parts(data, test, music=settings.get("unit") not in UNITS)
    with place.building() as directory:
        interrupted = _learn(generator, known, validation, data, screen)
        generator.save(directory / "model")
        _write_sample(generator, directory)
        generator.plot().savefig(directory / "learning.png", dpi=110)
        scores = asdict(generator.evaluate(unseen))
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


def _parts(data: Path, test: Path | None, *, music: bool) -> tuple[Any, Any, Any]:
    """What is learned from, what validates (or None), and what judges."""
    found = _read(data, music=music, part=None)
    if isinstance(found, dict):
        known, validation, unseen = found["train"], found.get("valid"), found.get("test")
    else:
        known, validation, unseen = found, None, None
    if test is not None:
        return known, validation, _read(test, music=not isinstance(known, str))
    if unseen is None:
        aside = int(len(known) * _HELD_OUT) or int(len(known) > 1 and not isinstance(known, str))
        known, unseen = (known[:-aside], known[-aside:]) if aside else (known, known)
    return known, validation, unseen


def _read(data: Path, *, music: bool, part: str | None = "test") -> Any:
    """A text, or pieces: those of a part where the file has several, or all parts by name."""
    if data.is_dir() or data.suffix.lower() in MIDI:
        files = sorted(p for p in data.iterdir() if p.suffix.lower() in MIDI) if data.is_dir() else [data]
        if not files:
            raise InputError(f"{data}: expected MIDI files (.mid) in the directory, found none")
        return [read_midi(file) for file in files]
    if music and data.name.removesuffix(".gz").endswith(".json"):
        parts = read_pieces(data)
        return parts if part is None else parts.get(part, parts["train"])
    return read_text(data)


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
    write(directory / _sample_name(generator), made)
    if generator.unit_ not in UNITS:
        write(directory / "sample.png", made)


def _judgement(scores: dict[str, Any]) -> str:
    said = [f"{scores['nats']:.4g} nats per step on {scores['steps']:,} unseen steps"]
    if scores["perplexity"] is not None:
        said.append(f"perplexity {scores['perplexity']:.4g}")
        said.append(f"{scores['bits_per_character']:.4g} bits per character")
    return ", ".join(said)
