"""`throughtime train generate`: a generator from a text, a file of pieces, or MIDI files."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime import SequenceGenerator
from throughtime._core.errors import InputError
from throughtime.app import output
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.generate import MIDI, write
from throughtime.app.report import generation as report
from throughtime.data.music.midi import read_midi
from throughtime.data.music.piano_roll import read_pieces
from throughtime.data.text.symbols import UNITS, read_text_file

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.jobs.tasks import ModelRequest, TrainRequest
    from throughtime.tasks.generation import GenerationEvaluation

OPTIONS = ()
_SETTINGS = list(SequenceGenerator().get_params())
_FILES = {True: "sample.txt", False: "sample.mid"}  # of text, of music
_HELD_OUT = 0.1  # share of the data that the result is judged by, where they name no test part


def train(order: TrainRequest) -> int:
    """Train a generator on a text file, a JSON file of pieces, or MIDI files, judge it, and write a report.

    A file for that judges it, or the test part that the data name; else their last tenth, which is not trained on.

    Raises:
        InputError: for whatever a user can mend.
    """
    started, screen = time.monotonic(), ConsoleOutput()
    generator = output.build_estimator(SequenceGenerator, order.settings, _SETTINGS)
    known, validation, unseen, note = _parts(order)
    screen.say(note)
    if isinstance(known, str) and order.settings.get("unit") in (None, "characters"):
        unseen = _familiar(unseen, known + (validation or ""), screen)
        if len(unseen) < 2:
            raise InputError(f"{order.test or order.data}: expected two characters or more to judge by, got {unseen!r}")
    with order.place.building() as directory:
        interrupted = output.fit(generator, (known, validation), order.data, screen)
        generator.save(directory / "model")
        result: dict[str, Any] = {}
        scores = None
        if not interrupted:
            scores, file = generator.evaluate(unseen), _FILES[generator.unit_ in UNITS]
            overlap = [] if scores.overlap is None else scores.overlap.notes
            screen.say(*overlap)
            write(directory / file, report.sample(generator))
            page = report.generator_page(
                generator, scores, [note, *generator.notes_, *overlap], output.source(order), file
            )
            (directory / "report.html").write_text(page, encoding="utf-8")
            files = {"model": "model", "sample": file, "report": "report.html"}
            result = {"task": "generate", **files}
            result |= {"unit": generator.unit_, "test": _known(scores), "seconds": round(time.monotonic() - started, 2)}
        output.describe(directory, order, "generate", result)
    result = order.place.located(result)
    if scores is None:
        screen.say(f"Interrupted: the best model so far is in {order.place.path}.")
        return output.INTERRUPTED
    if order.as_json:
        output.print_json(result)
        return 0
    screen.show(report.generator_verdict(scores), style="bold")
    screen.show(f"\nModel   {result['model']}\nSample  {result['sample']}\nReport  {result['report']}")
    return 0


def predict(request: ModelRequest) -> None:
    """Say that there is nothing to predict."""
    raise InputError(f"{request.model}: this model writes something new: use throughtime generate")


def evaluate(request: ModelRequest) -> None:
    """Score a generator on what it has not learned from in a file, or on all if it has learned from all."""
    generator = throughtime.load(request.model)
    scores = generator.evaluate(_read(request.data, music=generator.unit_ not in UNITS))
    ConsoleOutput().say(*(scores.overlap.notes if scores.overlap else ()))
    if request.as_json:
        output.print_json({"model": str(request.model), **_known(scores)})
    else:
        ConsoleOutput().show(report.generator_verdict(scores))


def _parts(order: TrainRequest) -> tuple[Any, Any, Any, str]:
    """What is learned from, what validates (or None), what judges, and where that comes from."""
    found = _read(order.data, music=order.settings.get("unit") not in UNITS, part=None)
    if isinstance(found, dict):
        known, validation, unseen = found["train"], found.get("valid"), found.get("test")
    else:
        known, validation, unseen = found, None, None
    if order.test is not None:
        unseen = _read(order.test, music=not isinstance(known, str))
        return known, validation, unseen, f"Judged by {order.test}."
    if unseen is not None:
        return known, validation, unseen, "Judged by the part of the data that is called test."
    aside = int(len(known) * _HELD_OUT) or int(len(known) > 1 and not isinstance(known, str))
    if not aside:
        return known, validation, known, "Judged by what it has learned from: there is no more."
    note = f"The last {aside:,} {'characters' if isinstance(known, str) else 'pieces'} were set aside to judge by"
    return known[:-aside], validation, known[-aside:], f"{note} (another file with --test)."


def _familiar(text: str, known: str, screen: ConsoleOutput) -> str:
    """A text without the characters that do not occur in what is learned from: nothing can be said of them."""
    strange = sorted({*text} - {*known})
    if strange:
        shown = ", ".join(map(repr, strange[:5])) + (", …" if len(strange) > 5 else "")
        count = sum(map(text.count, strange))
        screen.say(f"Not judged: {count:,} characters that do not occur in what is learned from ({shown}).")
    return text.translate(dict.fromkeys(map(ord, strange)))


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
    return read_text_file(data)


def _known(scores: GenerationEvaluation) -> dict[str, Any]:
    """Those that there are, by name."""
    figures = {name: value for name, value in vars(scores).items() if name != "overlap" and value is not None}
    return {**figures, **output.overlap_to_json(scores.overlap)}
