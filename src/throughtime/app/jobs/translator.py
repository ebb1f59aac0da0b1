"""`throughtime train translate`, and the use of a translator: pairs of sentences from files, translations out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime import SequenceTranslator
from throughtime._core.errors import InputError
from throughtime.app import output
from throughtime.app.console import ConsoleOutput
from throughtime.app.report import generation as report
from throughtime.data.files import split_lines
from throughtime.data.text.symbols import read_text_file
from throughtime.tasks.translation import SubwordSettings

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.jobs.tasks import ModelRequest, TrainRequest
    from throughtime.tasks.fingerprints import Overlap

    Pairs = tuple[list[str], list[str]]

OPTIONS = ()
_FILES = {"model": "model", "translations": "translations.csv", "report": "report.html"}
_VOCABULARY = {"vocabulary_size": "size", "lowercase": "lowercase", "subwords": "kind"}
_HEADER = {"source", "target", "src", "tgt", "trg", "en", "fr", "de", "english", "french", "german"}
_HELD_OUT = 0.05  # share of the pairs that the result is judged by
_SHOWN = 8  # translations in the report


def train(order: TrainRequest) -> int:
    """Train a translator on a table with a source and a target in each line, judge it, and write a report.

    A file of pairs for that judges it, or else the last twentieth, which is not trained on. Among the settings,
    'vocabulary_size', 'lowercase' and 'subwords' are those of its vocabulary.

    Raises:
        InputError: for whatever a user can mend.
    """
    started, screen = time.monotonic(), ConsoleOutput()
    translator = _translator(order.settings)
    known, unseen, note = _parts(order)
    screen.say(note)
    with order.place.building() as directory:
        interrupted = output.fit(translator, known, order.data, screen)
        translator.save(directory / "model")
        result: dict[str, Any] = {}
        verdict = ""
        if not interrupted:
            overlap = translator.overlap(unseen[0])
            screen.say(*overlap.notes)
            sources, targets = _scored(unseen, overlap)
            found = translator.predict(sources)
            rows = list(zip(sources, targets, found, strict=True))
            bleu, what = round(translator.bleu(found, targets), 2), overlap.qualify("pairs")
            notes = [note, *translator.notes_, *overlap.notes]
            page = report.translator_page(
                translator, rows[:_SHOWN], len(rows), bleu, notes, output.source(order), what=what
            )
            (directory / "report.html").write_text(page, encoding="utf-8")
            (directory / "translations.csv").write_text(
                output.format_csv(["source", "reference", "translation"], [list(row) for row in rows]), encoding="utf-8"
            )
            result = {"task": "translate", **_FILES}
            test = {"pairs": len(rows), "bleu": bleu, **output.overlap_to_json(overlap)}
            verdict = report.translator_verdict(bleu, len(rows), what)
            result |= {"pairs": len(known[0]), "test": test}
            result["seconds"] = round(time.monotonic() - started, 2)
        output.describe(directory, order, "translate", result)
    result = order.place.located(result)
    if not result:
        screen.say(f"Interrupted: the best model so far is in {order.place.path}.")
        return output.INTERRUPTED
    if order.as_json:
        output.print_json(result)
        return 0
    screen.show(verdict, style="bold")
    screen.show(
        f"\nModel         {result['model']}\nTranslations  {result['translations']}\nReport        {result['report']}"
    )
    return 0


def predict(request: ModelRequest) -> None:
    """Translate each line of a file, or the first sentence of each pair."""
    sources = read_sources(request.data)
    found = throughtime.load(request.model).predict(sources)
    rows = [{"source": source, "translation": translation} for source, translation in zip(sources, found, strict=True)]
    output.deliver(
        request, "".join(f"{line}\n" for line in found), ConsoleOutput(), "predictions", rows, {"count": len(rows)}
    )


def evaluate(request: ModelRequest) -> None:
    """BLEU on those pairs of a file that the translator has not learned from, or on all if it has from all."""
    translator, pairs, screen = throughtime.load(request.model), read_pairs(request.data), ConsoleOutput()
    overlap = translator.overlap(pairs[0])
    screen.say(*overlap.notes)
    sources, targets = _scored(pairs, overlap)
    bleu = round(translator.score(sources, targets), 2)
    if request.as_json:
        result = {"pairs": len(sources), "bleu": bleu, **output.overlap_to_json(overlap)}
        output.print_json({"model": str(request.model), **result})
    else:
        screen.show(report.translator_verdict(bleu, len(sources), overlap.qualify("pairs")))


def _scored(pairs: Pairs, overlap: Overlap) -> tuple[list[str], list[str]]:
    """The sides of the pairs that are scored."""
    sources, targets = ([side[i] for i in overlap.scored.tolist()] for side in pairs)
    return sources, targets


def read_sources(path: Path) -> list[str]:
    """Sentences of a file, one a line; of a file of pairs the first ones, which is said.

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


def read_pairs(path: Path) -> tuple[list[str], list[str]]:
    """Sources and targets of a file with a pair in each line, separated by a tab.

    Raises:
        InputError: for a line that is no pair, named by its number.
    """
    sources, targets = [], []
    for number, line in enumerate(split_lines(read_text_file(path)), 1):
        if not line.strip():
            continue
        cells = line.rstrip("\t ").split("\t")
        if len(cells) != 2 or not all(cell.strip() for cell in cells):
            empty = len(cells) == 2 or line.endswith("\t")
            raise InputError(
                f"{path}, line {number}: expected a sentence, a tab and its translation, got {len(cells)} "
                f"{'cell' if len(cells) == 1 else 'cells'}{' and an empty one' * empty}: {line.strip()[:40]!r}"
            )
        if number == 1 and {cell.strip().lower() for cell in cells} <= _HEADER:
            ConsoleOutput().say(f"{path}: line 1 names the columns, and is no pair.")
            continue
        sources.append(cells[0].strip())
        targets.append(cells[1].strip())
    return sources, targets


def _parts(order: TrainRequest) -> tuple[Pairs, Pairs, str]:
    """Pairs to learn from, pairs to judge by, and where those come from."""
    sources, targets = read_pairs(order.data)
    if order.test is not None:
        return (sources, targets), read_pairs(order.test), f"Judged by {order.test}."
    aside = max(round(len(sources) * _HELD_OUT), 1)
    if aside >= len(sources):
        raise InputError(f"{order.data}: expected two pairs or more, got {len(sources)}")
    note = f"The last {aside:,} pairs were set aside to judge by (another file with --test)."
    return (sources[:-aside], targets[:-aside]), (sources[-aside:], targets[-aside:]), note


def _translator(settings: dict[str, Any]) -> SequenceTranslator:
    chosen = dict(settings)
    vocabulary = {inner: chosen.pop(name) for name, inner in _VOCABULARY.items() if name in chosen}
    if vocabulary:
        chosen["vocabulary"] = SubwordSettings(**vocabulary)
    return output.build_estimator(SequenceTranslator, chosen, [*SequenceTranslator().get_params(), *_VOCABULARY])
