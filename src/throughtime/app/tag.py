"""`throughtime train tag`, and what a trained tagger can do from the command line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

import throughtime
from throughtime import SequenceTagger
from throughtime._errors import InputError
from throughtime.app import learn
from throughtime.app.report import sequences as report
from throughtime.app.screen import Screen
from throughtime.data.conll import read_conll
from throughtime.data.files import lines_of, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughtime.app.train import Job, Order
    from throughtime.tasks.tagging import TagEvaluation

OPTIONS = ("column",)
_SETTINGS = list(SequenceTagger().get_params())
_SET_ASIDE = 0.1  # of the sentences, to judge by, where no test file is given
_FILES = {"model": "model", "report": "report.html", "predictions": "predictions.conll"}


def train(order: Order) -> int:
    """Train a tagger, judge it by sentences that it has not learned from, and write a report.

    Raises:
        InputError: for whatever a user can mend.
    """
    started = time.monotonic()
    screen = Screen()
    column = order.options.get("column")
    sentences, tags, notes = read_conll(order.data, column)
    screen.say(*notes)
    tagger = learn.estimator_of(SequenceTagger, order.settings, _SETTINGS)
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
        interrupted = learn.fit(tagger, (sentences, tags), order.data, screen)
        tagger.save(directory / "model")
        result: dict[str, Any] = {}
        evaluation = None
        if not interrupted:
            overlap = tagger.overlap(unseen[0])
            screen.say(*overlap.notes)
            words, actual = ([side[i] for i in overlap.scored.tolist()] for side in unseen)
            evaluation = tagger.evaluate(words, actual)
            notes = [note, *tagger.notes_, *overlap.notes]
            page = report.tagger_page(tagger, words, actual, evaluation, notes, learn.source(order))
            (directory / "report.html").write_text(page, encoding="utf-8")
            (directory / "predictions.conll").write_text(_conll(unseen[0], tagger.predict(unseen[0])), encoding="utf-8")
            result = {"task": "tag", **_FILES, **scores(evaluation), **learn.overlap_object(overlap)}
            result["trained_on"] = len(sentences)
            result["seconds"] = round(time.monotonic() - started, 2)
        learn.describe(directory, order, "tag", result)
    result = order.place.located(result)
    if evaluation is None:
        screen.say(f"Interrupted: the best model so far is in {order.place.path}.")
        return learn.INTERRUPTED
    if order.as_json:
        learn.print_json(result)
        return 0
    _show(screen, evaluation)
    screen.show(
        f"\nModel        {result['model']}\nPredictions  {result['predictions']}\nReport       {result['report']}"
    )
    return 0


def predict(job: Job) -> None:
    """Tag the words of a CoNLL file, or of a text with a sentence a line and white space between words."""
    tagger = throughtime.load(job.model)
    sentences = read_sentences(job.data, tagger.tags_, job.options.get("column"))
    tags = tagger.predict(sentences)
    rows = [{"words": words, "tags": its_tags} for words, its_tags in zip(sentences, tags, strict=True)]
    learn.deliver(job, _conll(sentences, tags), Screen(), "predictions", rows, {"count": len(rows)})


def evaluate(job: Job) -> None:
    """Score a tagger on a file with known tags."""
    sentences, tags, notes = read_conll(job.data, job.options.get("column"))
    Screen().say(*notes)
    evaluation = throughtime.load(job.model).evaluate(sentences, tags)
    Screen().say(*(evaluation.overlap.notes if evaluation.overlap else ()))
    if job.as_json:
        words = evaluation.words
        confusion = {"tags": words.classes, "counts": words.confusion.tolist()}
        overlap = learn.overlap_object(evaluation.overlap)
        learn.print_json({"model": str(job.model), **scores(evaluation), **overlap, "confusion": confusion})
        return
    _show(Screen(), evaluation)


def read_sentences(path: Path, tags: Sequence[str], column: str | None = None) -> list[list[str]]:
    """Read the words of each sentence of a CoNLL file, whatever it is called, or of a text.

    Args:
        path: of the file.
        tags: that the tagger knows: lines which end with one hold a word in columns.
        column: of a CoNLL-U file.
    """
    lines = lines_of(read_text(path, "a sentence a line", "text"))
    if {".conll", ".conllu", ".conllup"} & set(path.suffixes) or _are_columns(lines, set(tags)):
        found = read_conll(path, column, need_tags=False)
        Screen().say(*found.notes)
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


def _parted(order: Order, sentences: Any, tags: Any, seed: int) -> tuple[Any, Any, tuple[Any, Any]]:
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


def _show(screen: Screen, evaluation: TagEvaluation) -> None:
    screen.classes(evaluation.words, evaluation.of_what("words"))
    screen.show(report.tag_verdict(evaluation), style="bold")
