"""`throughtime train tag`, and `predict` and `evaluate` for a trained tagger."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import throughtime
from throughtime import SequenceTagger
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.delivery import deliver_predictions, deliver_scores, overlap_to_json
from throughtime.app.jobs.runner import Outcome, build_estimator, estimator_training, run_source
from throughtime.app.output import text_file
from throughtime.app.report import classification as report
from throughtime.data.files import read_text, split_lines
from throughtime.data.text.conll import read_conll

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughtime.app.jobs.requests import ModelRequest, TrainRequest
    from throughtime.app.jobs.runner import Training
    from throughtime.tasks.tagging import TagEvaluation

    Sentences = list[list[str]]

OPTIONS = ("column",)
_SETTINGS = list(SequenceTagger().get_params())
_TEST_FRACTION = 0.1  # of the sentences, if no test file is given
_RESULTS = {"model": "model", "report": "report.html", "predictions": "predictions.conll"}


def prepare(request: TrainRequest, console: ConsoleOutput) -> Training:
    """Read the data, set a part of them aside, and return the steps of the training.

    Raises:
        InputError: for data and settings that cannot be used.
    """
    column = request.options.get("column")
    sentences, tags, notes = read_conll(request.data, column)
    console.say(*notes)
    tagger = build_estimator(SequenceTagger, request.settings, _SETTINGS)
    if request.test is not None:
        file = read_conll(request.test, column)
        console.say(*(f"{request.test}: {note}" for note in file.notes))
        test, note = (file.words, file.tags), f"Tested on {request.test}."
    else:
        sentences, tags, test = _split(request, sentences, tags, seed=request.settings.get("random_state", 0))
        note = f"{len(test[0])} sentences were set aside as a test set (another file with --test)."
    console.say(note)

    def evaluate() -> Outcome:
        overlap = tagger.overlap(test[0])
        console.say(*overlap.notes)
        words, actual = ([side[i] for i in overlap.scored.tolist()] for side in test)
        evaluation = tagger.evaluate(words, actual)
        notes = [note, *tagger.notes_, *overlap.notes]
        page = report.tagger_page(tagger, words, actual, evaluation, notes, run_source(request))
        predictions = text_file(_format_conll(test[0], tagger.predict(test[0])))
        return Outcome(
            {"report.html": text_file(page), "predictions.conll": predictions},
            {**scores(evaluation), **overlap_to_json(overlap), "trained_on": len(sentences)},
            partial(_show, evaluation),
        )

    return estimator_training("tag", request, tagger, (sentences, tags), evaluate, _RESULTS, console)


def predict(request: ModelRequest) -> None:
    """Write the tags of the words of a CoNLL file, or of a text with a sentence a line and spaces between words.

    Raises:
        InputError: for data that cannot be used.
    """
    tagger = throughtime.load(request.model)
    sentences = read_sentences(request.data, tagger.tags_, request.options.get("column"))
    tags = tagger.predict(sentences)
    records = [{"words": words, "tags": its_tags} for words, its_tags in zip(sentences, tags, strict=True)]
    text, size = _format_conll(sentences, tags), {"count": len(records)}
    deliver_predictions(request, "predictions", text, records, size, ConsoleOutput())


def evaluate(request: ModelRequest) -> None:
    """Print the scores of a tagger on a tagged file.

    Raises:
        InputError: for data that cannot be used.
    """
    sentences, tags, notes = read_conll(request.data, request.options.get("column"))
    console = ConsoleOutput()
    console.say(*notes)
    evaluation = throughtime.load(request.model).evaluate(sentences, tags)
    console.say(*(evaluation.overlap.notes if evaluation.overlap else ()))
    confusion = {"tags": evaluation.words.classes, "counts": evaluation.words.confusion.tolist()}
    result = {**scores(evaluation), **overlap_to_json(evaluation.overlap), "confusion": confusion}
    deliver_scores(request, result, partial(_show, evaluation, console))


def read_sentences(path: Path, tags: Sequence[str], column: str | None = None) -> Sentences:
    """Read the words of each sentence of a CoNLL file of any name, or of a text.

    Args:
        path: of the file.
        tags: that the tagger knows: lines that end with one hold a word in columns.
        column: of a CoNLL-U file.

    Raises:
        InputError: for a file that cannot be used.
    """
    lines = split_lines(read_text(path, "a sentence a line", "text"))
    if {".conll", ".conllu", ".conllup"} & set(path.suffixes) or _are_columns(lines, set(tags)):
        file = read_conll(path, column, need_tags=False)
        ConsoleOutput().say(*file.notes)
        return file.words
    return [line.split() for line in lines if line.strip()]


def _are_columns(lines: list[str], tags: set[str]) -> bool:
    """Return whether each line holds a word in columns: between tabs, before a known tag, or alone in its paragraph."""
    words = [line for line in lines if line.strip() and not line.startswith(("#", "-DOCSTART-"))]
    counts = {line.count("\t") for line in words}
    if len(counts) == 1 and 0 not in counts:
        return True
    cells = [line.split() for line in words]
    if all(len(row) == 1 for row in cells):
        inner = [line.strip() for line in lines]
        return any(a and not b and c for a, b, c in zip(inner, inner[1:], inner[2:], strict=False))
    return all(len(row) > 1 and row[-1] in tags for row in cells)


def scores(evaluation: TagEvaluation) -> dict[str, Any]:
    """Return the scores by name."""
    entities, words = evaluation.entities, evaluation.words
    by_entity = None
    if entities is not None:
        by_entity = {"precision": entities.precision, "recall": entities.recall, "f1": entities.f1}
    return {"accuracy": words.accuracy, "entities": by_entity, "tags": len(words.classes), "tested_on": words.count}


def _split(request: TrainRequest, sentences: Any, tags: Any, seed: int) -> tuple[Any, Any, tuple[Any, Any]]:
    """Return training sentences, their tags, and test sentences with theirs."""
    rows = np.random.default_rng(seed).permutation(len(sentences)).tolist()
    count = max(1, round(_TEST_FRACTION * len(rows)))
    if count >= len(rows):
        raise InputError(f"{request.data}: expected two sentences or more, got {len(rows)}")
    aside, kept = sorted(rows[:count]), sorted(rows[count:])
    test = [sentences[i] for i in aside], [tags[i] for i in aside]
    return [sentences[i] for i in kept], [tags[i] for i in kept], test


def _format_conll(sentences: Sentences, tags: Sentences) -> str:
    """Return a line for each word and its tag, and an empty line after each sentence."""
    return "".join(
        "".join(f"{word}\t{tag}\n" for word, tag in zip(words, its_tags, strict=True)) + "\n"
        for words, its_tags in zip(sentences, tags, strict=True)
    )


def _show(evaluation: TagEvaluation, console: ConsoleOutput) -> None:
    console.classes(evaluation.words, evaluation.qualify("words"))
    console.show(report.tagger_verdict(evaluation), style="bold")
