"""The report of a classifier or a tagger: scores, what was taken for what, examples misread, and the learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.app.report.chart import Chart, fit_axis
from throughtime.app.report.template import Picture, render
from throughtime.app.report.training import Source, network_facts, rest, title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from throughtime import SequenceClassifier, SequenceTagger
    from throughtime.tasks.evaluation import Evaluation
    from throughtime.tasks.tagging import TagEvaluation

_CLASSES = 20  # rows of the confusion matrix at most, the most frequent ones
_EXAMPLES = 8  # misread ones
_MISTAKES = 12  # kinds of mistake that are listed
_LONGEST = 60  # words of a text that are shown
_CHANNELS = ("network", "seasonal", "mean")  # lines of a sequence of numbers: its first channels


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix for a page: rows are actual classes; a cell is its count and its share of the row."""

    classes: list[str]
    rows: list[tuple[str, list[tuple[int, float]]]]
    left_out: int

    @classmethod
    def of(cls, evaluation: Evaluation) -> Matrix:
        """The most frequent classes, in their own order."""
        counts = evaluation.confusion
        frequent = np.sort((counts.sum(0) + counts.sum(1)).argsort()[::-1][:_CLASSES])
        names = [str(evaluation.classes[i]) for i in frequent]
        totals = np.maximum(counts.sum(1), 1)
        rows = [
            (name, [(int(counts[i, j]), float(counts[i, j] / totals[i])) for j in frequent])
            for name, i in zip(names, frequent, strict=True)
        ]
        return cls(names, rows, len(counts) - len(frequent))


@dataclass(frozen=True)
class Misclassified:
    """An example that was given the wrong class.

    Attributes:
        actual: class.
        given: class.
        probability: of the class that was given.
        words: of a text, each with the probability of the actual class after it.
        picture: of a sequence of numbers.
    """

    actual: str
    given: str
    probability: float
    words: list[tuple[str, float]]
    picture: Picture | None


def verdict(evaluation: Evaluation) -> str:
    """How good a classifier is, in a sentence."""
    scored = f"{evaluation.count} {evaluation.qualify('sequences')}"
    return (
        f"{evaluation.accuracy:.1%} of {scored} are classified rightly (macro F1 "
        f"{evaluation.macro_f1:.3f}); always naming the most frequent class would be right for "
        f"{evaluation.majority:.1%}."
    )


def tag_verdict(evaluation: TagEvaluation) -> str:
    """How good a tagger is, in a sentence."""
    words = evaluation.words
    sentence = f"{words.accuracy:.1%} of {words.count} {evaluation.qualify('words')} are tagged rightly"
    if evaluation.entities is None:
        return f"{sentence}; always giving the most frequent tag would be right for {words.majority:.1%}."
    found = evaluation.entities
    return (
        f"{sentence}; of {found.actual} entities {found.n_correct} are found whole: F1 {found.f1:.1%} (precision "
        f"{found.precision:.1%}, recall {found.recall:.1%})."
    )


def classifier_page(
    classifier: SequenceClassifier,
    X: Sequence[Any],
    y: Sequence[str],
    evaluation: Evaluation,
    notes: list[str],
    source: Source,
) -> str:
    """The report of a classifier as HTML, with examples from the sequences that it was judged by."""
    texts = isinstance(X[0], str)
    facts = {
        "Classes": len(evaluation.classes),
        title(evaluation.qualify("sequences")): evaluation.count,
        "Accuracy": f"{evaluation.accuracy:.1%}",
        "Macro F1": f"{evaluation.macro_f1:.3f}",
    }
    return render(
        "sequences.html",
        title=f"{source.name}: {'texts' if texts else 'sequences'} of {len(evaluation.classes)} classes",
        verdict=verdict(evaluation),
        facts=facts | network_facts(classifier.cell, classifier.network_),
        what="class",
        matrix=Matrix.of(evaluation),
        measures=_measures(evaluation),
        entities=None,
        misread=_misread(classifier, X, y),
        texts=texts,
        sentences=[],
        mistakes=_mistakes(evaluation),
        **rest(classifier.history_, notes, source),
    )


def tagger_page(
    tagger: SequenceTagger,
    sentences: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str | None]],
    evaluation: TagEvaluation,
    notes: list[str],
    source: Source,
) -> str:
    """The report of a tagger as HTML."""
    words, found = evaluation.words, evaluation.entities
    facts: dict[str, Any] = {"Tags": len(words.classes), title(evaluation.qualify("words")): words.count}
    facts["Accuracy"] = f"{words.accuracy:.1%}"
    if found is not None:
        facts["Entity F1"] = f"{found.f1:.1%}"
    return render(
        "sequences.html",
        title=f"{source.name}: {len(words.classes)} tags",
        verdict=tag_verdict(evaluation),
        facts=facts | network_facts(tagger.cell, tagger.network_),
        what="tag",
        matrix=Matrix.of(words),
        measures=_measures(words),
        entities=None if found is None else _entity_rows(found.by_type),
        misread=[],
        texts=True,
        sentences=_worst(sentences, tags, tagger.predict(sentences)),
        mistakes=_mistakes(words),
        **rest(tagger.history_, notes, source),
    )


def _measures(evaluation: Evaluation) -> list[tuple[str, list[str], int]]:
    """Precision, recall and F1 of each class, the most frequent first."""
    counts = evaluation.confusion.sum(1)
    return [
        (
            str(evaluation.classes[i]),
            [f"{value[i]:.1%}" for value in (evaluation.precision, evaluation.recall, evaluation.f1)],
            int(counts[i]),
        )
        for i in counts.argsort(kind="stable")[::-1]
    ]


def _entity_rows(kinds: dict[str, tuple[int, int, int]]) -> list[tuple[str, list[str], int]]:
    """Precision, recall and F1 of each type of entity, the most frequent first."""
    rows = []
    for kind, (right, found, actual) in sorted(kinds.items(), key=lambda item: -item[1][2]):
        shares = right / max(found, 1), right / max(actual, 1), 2 * right / max(found + actual, 1)
        rows.append((kind, [f"{share:.1%}" for share in shares], actual))
    return rows


def _mistakes(evaluation: Evaluation) -> list[tuple[str, str, int]]:
    """The most frequent mistakes: actual class, given class, how often."""
    wrong = evaluation.confusion * ~np.eye(len(evaluation.classes), dtype=bool)
    order = wrong.argsort(axis=None, kind="stable")[::-1][:_MISTAKES]
    pairs = [divmod(int(place), len(evaluation.classes)) for place in order]
    return [(str(evaluation.classes[a]), str(evaluation.classes[b]), int(wrong[a, b])) for a, b in pairs if wrong[a, b]]


def _misread(classifier: SequenceClassifier, X: Sequence[Any], y: Sequence[str]) -> list[Misclassified]:
    """The mistakes that the classifier was surest of."""
    proba = classifier.predict_proba(X)
    classes = [str(label) for label in classifier.classes_.tolist()]
    given = proba.argmax(1)
    wrong = [i for i, label in enumerate(y) if classes[given[i]] != label]
    surest = sorted(wrong, key=lambda i: -proba[i].max())[:_EXAMPLES]
    return [
        Misclassified(
            y[i],
            classes[given[i]],
            float(proba[i].max()),
            _course(classifier, X[i], classes.index(y[i])) if isinstance(X[i], str) else [],
            None if isinstance(X[i], str) else _drawn(X[i]),
        )
        for i in surest
    ]


def _course(classifier: SequenceClassifier, text: str, actual: int) -> list[tuple[str, float]]:
    """The words of a text, each with the probability of the actual class after it."""
    words = text.split()[:_LONGEST]
    steps = classifier.steps_proba([" ".join(words)])[0]
    return [(word, float(row[actual])) for word, row in zip(words, steps, strict=True)]


def _drawn(sequence: np.ndarray) -> Picture:
    def draw(width: int, height: int) -> Markup:
        steps = np.arange(1, len(sequence) + 1)
        chart = Chart("The sequence", fit_axis(steps, kind="whole", margin=0.02), fit_axis(sequence), width, height)
        for channel, kind in enumerate(_CHANNELS[: sequence.shape[1]]):
            chart.line(steps, sequence[:, channel], kind)
        return chart.svg("step")

    return Picture(draw(374, 200), draw(350, 190))


def _worst(
    sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[str | None]], given: Sequence[Sequence[str]]
) -> list[list[tuple[str, str, str]]]:
    """The sentences with the most mistakes: each word, its tag, and the one that it was given.

    A word whose tag is not known counts as right.
    """
    pairs = [[(a or g, g) for a, g in zip(ours, theirs, strict=True)] for ours, theirs in zip(tags, given, strict=True)]
    wrong = [sum(a != g for a, g in pair) for pair in pairs]
    short = [i for i, words in enumerate(sentences) if len(words) <= _LONGEST and wrong[i]]
    worst = sorted(short, key=lambda i: -wrong[i])[:_EXAMPLES]
    return [[(word, *pair) for word, pair in zip(sentences[i], pairs[i], strict=True)] for i in worst]
