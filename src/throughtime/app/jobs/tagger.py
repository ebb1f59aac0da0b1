"""`throughtime train tag`, and what a trained tagger can do from the command line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

import throughtime
from throughtime import SequenceTagger
from throughtime._core.errors import InputError
from throughtime.app import output
from throughtime.app.console import ConsoleOutput
from throughtime.app.report import classification as report
from throughtime.data.files import read_text, split_lines
from throughtime.data.text.conll import read_conll

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughtime.app.jobs.tasks import ModelRequest, TrainRequest
    from throughtime.tasks.tagging import TagEvaluation

OPTIONS = ("column",)
_SETTINGS = list(SequenceTagger().get_params())
_SET_ASIDE = 0.1  # of the sentences, to judge by, where no test file is given
_FILES = {"model": "model", "report": "report.html", "predictions": "predictions.conll"}


def train(order: TrainRequest) -> int:
    """Train a tagger, judge it by sentences that it has not learned from, and write a report.

    Raises:
        InputError: for whatever a user can mend.
    """
    started = time.monotonic()
    screen = ConsoleOutput()
    column = order.options.get("column")
    sentences, tags, notes = read_conll(order.data, column)
    screen.say(*notes)
    tagger = output.build_estimator(SequenceTagger, order.settings, _SETTINGS)
    if order.test is not None:
        test = read_conll(order.test, column)
        screen.say(*(f"{order.test}: {note}" for note in test.notes))
        unseen = test.words, test.tags
        note = f"Judged by {order.test}."
    else:
        sentences, tags, unseen = _parted(order, sentences, tags, seed=order.settings.get("random_state", 0))
        note = f"{len(unseen[0])} sentences were set aside to judge by (another file with --test)."
    screen.say(note)
    with order.place.building() as directory:
        interrupted = output.fit(tagger, (sentences, tags), order.data, screen)
        tagger.save(directory / "model")
        result: dict[str, Any] = {}
        evaluation = None
        if not interrupted:
            overlap = tagger.overlap(unseen[0])
            screen.say(*overlap.notes)
            words, actual = ([side[i] for i in overlap.scored.tolist()] for side in unseen)
            evaluation = tagger.evaluate(words, actual)
            notes = [note, *tagger.notes_, *overlap.notes]
            page = report.tagger_page(tagger, words, actual, evaluation, notes, output.source(order))
            (directory / "report.html").write_text(page, encoding="utf-8")
            (directory / "predictions.conll").write_text(_conll(unseen[0], tagger.predict(unseen[0])), encoding="utf-8")
            result = {"task": "tag", **_FILES, **scores(evaluation), **output.overlap_to_json(overlap)}
            result["trained_on"] = len(sentences)
            result["seconds"] = round(time.monotonic() - started, 2)
        output.describe(directory, order, "tag", result)
    result = order.place.located(result)
    if evaluation is None:
        screen.say(f"Interrupted: the best model so far is in {order.place.path}.")
        return output.INTERRUPTED
    if order.as_json:
        output.print_json(result)
        return 0
    _show(screen, evaluation)
    screen.show(
        f"\nModel        {result['model']}\nPredictions  {result['predictions']}\nReport       {result['report']}"
    )
    return 0


def predict(request: ModelRequest) -> None:
    """Tag the words of a CoNLL file, or of a text with a sentence a line and white space between words."""
    tagger = throughtime.load(request.model)
    sentences = read_sentences(request.data, tagger.tags_, request.options.get("column"))
    tags = tagger.predict(sentences)
    rows = [{"words": words, "tags": its_tags} for words, its_tags in zip(sentences, tags, strict=True)]
    output.deliver(request, _conll(sentences, tags), ConsoleOutput(), "predictions", rows, {"count": len(rows)})


def evaluate(request: ModelRequest) -> None:
    """Score a tagger on a file with known tags."""
    sentences, tags, notes = read_conll(request.data, request.options.get("column"))
    ConsoleOutput().say(*notes)
    evaluation = throughtime.load(request.model).evaluate(sentences, tags)
    ConsoleOutput().say(*(evaluation.overlap.notes if evaluation.overlap else ()))
    if request.as_json:
        words = evaluation.words
        confusion = {"tags": words.classes, "counts": words.confusion.tolist()}
        overlap = output.overlap_to_json(evaluation.overlap)
        output.print_json({"model": str(request.model), **scores(evaluation), **overlap, "confusion": confusion})
        return
    _show(ConsoleOutput(), evaluation)


def read_sentences(path: Path, tags: Sequence[str], column: str | None = None) -> list[list[str]]:
    """Read the words of each sentence of a CoNLL file, whatever it is called, or of a text.

    Args:
        path: of the file.
        tags: that the tagger knows: lines which end with one hold a word in columns.
        column: of a CoNLL-U file.
    """
    lines = split_lines(read_text(path, "a sentence a line", "text"))
    if {".conll", ".conllu", ".conllup"} & set(path.suffixes) or _are_columns(lines, set(tags)):
        found = read_conll(path, column, need_tags=False)
        ConsoleOutput().say(*found.notes)
        return found.words
    return [line.split() for line in lines if line.strip()]


def _are_columns(lines: list[str], tags: set[str]) -> bool:
    """Whether each line holds a word with its columns: between tabs, before a known tag, or alone in its paragraph."""
    plain = [line for line in lines if line.strip() and not line.startswith(("#", "-DOCSTART-"))]
    counts = {line.count("\t") for line in plain}
    if len(counts) == 1 and 0 not in counts:
        return True
    cells = [line.split() for line in plain]
    if all(len(each) == 1 for each in cells):
        inner = [line.strip() for line in lines]
        return any(a and not b and c for a, b, c in zip(inner, inner[1:], inner[2:], strict=False))
    return all(len(each) > 1 and each[-1] in tags for each in cells)


def scores(evaluation: TagEvaluation) -> dict[str, Any]:
    """The scores by name, as JSON can hold them."""
    found = evaluation.entities
    entities = None if found is None else {"precision": found.precision, "recall": found.recall, "f1": found.f1}
    words = evaluation.words
    return {"accuracy": words.accuracy, "entities": entities, "tags": len(words.classes), "tested_on": words.count}


def _parted(order: TrainRequest, sentences: Any, tags: Any, seed: int) -> tuple[Any, Any, tuple[Any, Any]]:
    """Sentences to learn from, their tags, and both of those to judge by."""
    rows = np.random.default_rng(seed).permutation(len(sentences)).tolist()
    count = max(1, round(_SET_ASIDE * len(rows)))
    if count >= len(rows):
        raise InputError(f"{order.data}: expected two sentences or more, got {len(rows)}")
    aside, kept = sorted(rows[:count]), sorted(rows[count:])
    unseen = [sentences[i] for i in aside], [tags[i] for i in aside]
    return [sentences[i] for i in kept], [tags[i] for i in kept], unseen


def _conll(sentences: list[list[str]], tags: list[list[str]]) -> str:
    """A word and its tag a line, a blank line after each sentence."""
    return "".join(
        "".join(f"{word}\t{tag}\n" for word, tag in zip(words, its_tags, strict=True)) + "\n"
        for words, its_tags in zip(sentences, tags, strict=True)
    )


def _show(screen: ConsoleOutput, evaluation: TagEvaluation) -> None:
    screen.classes(evaluation.words, evaluation.qualify("words"))
    screen.show(report.tag_verdict(evaluation), style="bold")
