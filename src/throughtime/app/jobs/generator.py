"""`throughtime train generate` for a text, a file of pieces or MIDI files, and `evaluate` for a trained generator."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime import SequenceGenerator
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.delivery import deliver_scores, overlap_to_json
from throughtime.app.jobs.generate import MIDI, sample_file
from throughtime.app.jobs.runner import Outcome, build_estimator, estimator_training, run_source
from throughtime.app.output import text_file
from throughtime.app.report import generation as report
from throughtime.data.music.midi import read_midi
from throughtime.data.music.piano_roll import read_pieces
from throughtime.data.text.symbols import UNITS, read_text_file

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.jobs.requests import ModelRequest, TrainRequest
    from throughtime.app.jobs.runner import Training
    from throughtime.tasks.generation import GenerationEvaluation

OPTIONS = ()
_SETTINGS = list(SequenceGenerator().get_params())
_TEST_FRACTION = 0.1  # if neither a file nor the data give a test part


def prepare(request: TrainRequest, console: ConsoleOutput) -> Training:
    """Read a text file, a JSON file of pieces, or MIDI files, and return the steps of the training.

    The test data are a file, or the part of the data that is called test, or else their last tenth.

    Raises:
        InputError: for data and settings that cannot be used.
    """
    generator = build_estimator(SequenceGenerator, request.settings, _SETTINGS)
    training, validation, test, note = _split(request)
    console.say(note)
    if isinstance(training, str) and request.settings.get("unit") in (None, "characters"):
        test = _drop_unseen(test, training + (validation or ""), console)
        if len(test) < 2:
            file = request.test or request.data
            raise InputError(f"{file}: expected two characters or more to test on, got {test!r}")
    sample = "sample.txt" if isinstance(training, str) else "sample.mid"

    def evaluate() -> Outcome:
        evaluation = generator.evaluate(test)
        overlap = [] if evaluation.overlap is None else evaluation.overlap.notes
        console.say(*overlap)
        notes = [note, *generator.notes_, *overlap]
        page = report.generator_page(generator, evaluation, notes, run_source(request), sample)
        return Outcome(
            {sample: sample_file(report.draw_sample(generator)), "report.html": text_file(page)},
            {"unit": generator.unit_, "test": _scores(evaluation)},
            partial(_show, evaluation),
        )

    results = {"model": "model", "sample": sample, "report": "report.html"}
    return estimator_training("generate", request, generator, (training, validation), evaluate, results, console)


def predict(request: ModelRequest) -> None:
    """Refuse to predict.

    Raises:
        InputError: always.
    """
    raise InputError(f"{request.model}: this model generates sequences; use throughtime generate")


def evaluate(request: ModelRequest) -> None:
    """Print the scores of a generator on the sequences of a file that were not in its training, or on all if all were.

    Raises:
        InputError: for data that cannot be used.
    """
    generator, console = throughtime.load(request.model), ConsoleOutput()
    evaluation = generator.evaluate(_read(request.data, music=generator.unit_ not in UNITS))
    console.say(*(evaluation.overlap.notes if evaluation.overlap else ()))
    deliver_scores(request, _scores(evaluation), partial(_show, evaluation, console))


def _split(request: TrainRequest) -> tuple[Any, Any, Any, str]:
    """Return training, validation (or None) and test data, and a note on where the last come from."""
    data = _read(request.data, music=request.settings.get("unit") not in UNITS, split=None)
    if isinstance(data, dict):
        training, validation, test = data["train"], data.get("valid"), data.get("test")
    else:
        training, validation, test = data, None, None
    if request.test is not None:
        test = _read(request.test, music=not isinstance(training, str))
        return training, validation, test, f"Tested on {request.test}."
    if test is not None:
        return training, validation, test, "Tested on the part of the data that is called test."
    aside = int(len(training) * _TEST_FRACTION) or int(len(training) > 1 and not isinstance(training, str))
    if not aside:
        return training, validation, training, "Tested on the training data: there are no others."
    unit = "characters" if isinstance(training, str) else "pieces"
    note = f"The last {aside:,} {unit} were set aside as a test set (another file with --test)."
    return training[:-aside], validation, training[-aside:], note


def _drop_unseen(text: str, training: str, console: ConsoleOutput) -> str:
    """Return a text without the characters that do not occur in training: their probability is not defined."""
    unseen = sorted({*text} - {*training})
    if unseen:
        shown = ", ".join(map(repr, unseen[:5])) + (", …" if len(unseen) > 5 else "")
        count = sum(map(text.count, unseen))
        console.say(f"Not tested: {count:,} characters that do not occur in the training data ({shown}).")
    return text.translate(dict.fromkeys(map(ord, unseen)))


def _read(data: Path, *, music: bool, split: str | None = "test") -> Any:
    """Read a text, or pieces: a split of a file with several, or all splits by name if `split` is None."""
    if data.is_dir() or data.suffix.lower() in MIDI:
        files = sorted(p for p in data.iterdir() if p.suffix.lower() in MIDI) if data.is_dir() else [data]
        if not files:
            raise InputError(f"{data}: expected MIDI files (.mid) in the directory, found none")
        return [read_midi(file) for file in files]
    if music and data.name.removesuffix(".gz").endswith(".json"):
        splits = read_pieces(data)
        return splits if split is None else splits.get(split, splits["train"])
    return read_text_file(data)


def _scores(evaluation: GenerationEvaluation) -> dict[str, Any]:
    """Return the scores that are defined, by name."""
    figures = {name: value for name, value in vars(evaluation).items() if name != "overlap" and value is not None}
    return {**figures, **overlap_to_json(evaluation.overlap)}


def _show(evaluation: GenerationEvaluation, console: ConsoleOutput) -> None:
    console.show(report.generator_verdict(evaluation), style="bold")
