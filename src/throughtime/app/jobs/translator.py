"""`throughtime train translate`, and `predict` and `evaluate` for a trained translator."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime import SequenceTranslator
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.delivery import deliver_predictions, deliver_scores, overlap_to_json
from throughtime.app.jobs.runner import Outcome, build_estimator, estimator_training, run_source
from throughtime.app.output import csv_file, text_file
from throughtime.app.report import generation as report
from throughtime.data.files import split_lines
from throughtime.data.text.symbols import read_text_file
from throughtime.tasks.translation import SubwordSettings

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.jobs.requests import ModelRequest, TrainRequest
    from throughtime.app.jobs.runner import Training
    from throughtime.tasks.fingerprints import Overlap

    Pairs = tuple[list[str], list[str]]

OPTIONS = ()
_RESULTS = {"model": "model", "translations": "translations.csv", "report": "report.html"}
_VOCABULARY = {"vocabulary_size": "size", "lowercase": "lowercase", "subwords": "kind"}
_HEADER = {"source", "target", "src", "tgt", "trg", "en", "fr", "de", "english", "french", "german"}
_TEST_FRACTION = 0.05  # of the pairs, if no test file is given
_MAX_EXAMPLES = 8  # translations in the report


def prepare(request: TrainRequest, console: ConsoleOutput) -> Training:
    """Read a file with a source and a target in each line, and return the steps of the training.

    The test pairs are a file, or else the last twentieth. Among the settings, 'vocabulary_size', 'lowercase' and
    'subwords' are those of the vocabulary.

    Raises:
        InputError: for data and settings that cannot be used.
    """
    translator = _build_translator(request.settings)
    training, test, note = _split(request)
    console.say(note)

    def evaluate() -> Outcome:
        overlap = translator.overlap(test[0])
        console.say(*overlap.notes)
        sources, targets = _select_scored(test, overlap)
        translations = translator.predict(sources)
        rows = list(zip(sources, targets, translations, strict=True))
        bleu, what = round(translator.bleu(translations, targets), 2), overlap.qualify("pairs")
        notes = [note, *translator.notes_, *overlap.notes]
        examples, count = rows[:_MAX_EXAMPLES], len(rows)
        page = report.translator_page(translator, examples, count, bleu, notes, run_source(request), what=what)
        translated = csv_file(["source", "reference", "translation"], rows)
        scores = {"pairs": count, "bleu": bleu, **overlap_to_json(overlap)}
        return Outcome(
            {"report.html": text_file(page), "translations.csv": translated},
            {"pairs": len(training[0]), "test": scores},
            partial(_show, report.translator_verdict(bleu, count, what)),
        )

    return estimator_training("translate", request, translator, training, evaluate, _RESULTS, console)


def predict(request: ModelRequest) -> None:
    """Write the translation of each line of a file, or of the first sentence of each pair.

    Raises:
        InputError: for data that cannot be used.
    """
    console = ConsoleOutput()
    sources = read_sources(request.data)
    translations = throughtime.load(request.model).predict(sources)
    records = [{"source": source, "translation": text} for source, text in zip(sources, translations, strict=True)]
    text = "".join(f"{line}\n" for line in translations)
    deliver_predictions(request, "predictions", text, records, {"count": len(records)}, console)


def evaluate(request: ModelRequest) -> None:
    """Print the BLEU of the pairs of a file that were not in the training of a translator, or of all if all were.

    Raises:
        InputError: for data that cannot be used.
    """
    console = ConsoleOutput()
    translator, pairs = throughtime.load(request.model), read_pairs(request.data)
    overlap = translator.overlap(pairs[0])
    console.say(*overlap.notes)
    sources, targets = _select_scored(pairs, overlap)
    bleu = round(translator.score(sources, targets), 2)
    result = {"pairs": len(sources), "bleu": bleu, **overlap_to_json(overlap)}
    verdict = report.translator_verdict(bleu, len(sources), overlap.qualify("pairs"))
    deliver_scores(request, result, lambda: console.show(verdict))


def read_sources(path: Path) -> list[str]:
    """Read the sentences of a file, one a line; of a file of pairs the first ones, which is reported.

    Raises:
        InputError: for a tab in some lines only.
    """
    lines = split_lines(read_text_file(path))
    if not any("\t" in line for line in lines):
        return lines
    ConsoleOutput().say(f"{path} holds pairs: the first sentence of each is translated.")
    for number, line in enumerate(lines, 1):
        if line.strip() and line.count("\t") != 1:
            raise InputError(
                f"{path}, line {number}: expected a sentence, a tab and its translation, as in other lines"
            )
    return [line.partition("\t")[0] for line in lines]


def read_pairs(path: Path) -> Pairs:
    """Read the sources and targets of a file with a pair in each line, separated by a tab.

    Raises:
        InputError: for a line without a pair, with its number.
    """
    sources, targets = [], []
    for number, line in enumerate(split_lines(read_text_file(path)), 1):
        if not line.strip():
            continue
        cells = line.rstrip("\t ").split("\t")
        if len(cells) != 2 or not all(cell.strip() for cell in cells):
            is_empty = len(cells) == 2 or line.endswith("\t")
            raise InputError(
                f"{path}, line {number}: expected a sentence, a tab and its translation, got {len(cells)} "
                f"{'cell' if len(cells) == 1 else 'cells'}{' and an empty one' * is_empty}: {line.strip()[:40]!r}"
            )
        if number == 1 and {cell.strip().lower() for cell in cells} <= _HEADER:
            ConsoleOutput().say(f"{path}: line 1 names the columns and is not a pair.")
            continue
        sources.append(cells[0].strip())
        targets.append(cells[1].strip())
    return sources, targets


def _select_scored(pairs: Pairs, overlap: Overlap) -> Pairs:
    sources, targets = ([side[i] for i in overlap.scored.tolist()] for side in pairs)
    return sources, targets


def _split(request: TrainRequest) -> tuple[Pairs, Pairs, str]:
    """Return training pairs, test pairs, and a note on where those come from."""
    sources, targets = read_pairs(request.data)
    if request.test is not None:
        return (sources, targets), read_pairs(request.test), f"Tested on {request.test}."
    aside = max(round(len(sources) * _TEST_FRACTION), 1)
    if aside >= len(sources):
        raise InputError(f"{request.data}: expected two pairs or more, got {len(sources)}")
    note = f"The last {aside:,} pairs were set aside as a test set (another file with --test)."
    return (sources[:-aside], targets[:-aside]), (sources[-aside:], targets[-aside:]), note


def _build_translator(settings: dict[str, Any]) -> SequenceTranslator:
    settings = dict(settings)
    vocabulary = {inner: settings.pop(name) for name, inner in _VOCABULARY.items() if name in settings}
    if vocabulary:
        settings["vocabulary"] = SubwordSettings(**vocabulary)
    return build_estimator(SequenceTranslator, settings, [*SequenceTranslator().get_params(), *_VOCABULARY])


def _show(verdict: str, console: ConsoleOutput) -> None:
    console.show(verdict, style="bold")
