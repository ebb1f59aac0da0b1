"""The reports of classifiers and taggers: scores, confusion matrix, misclassified examples, and the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.app.report.chart import Chart, fit_axis
from throughtime.app.report.template import Picture, render
from throughtime.app.report.training import RunSource, capitalize_first, network_facts, training_contents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from throughtime import SequenceClassifier, SequenceTagger
    from throughtime.tasks.classification_metrics import Evaluation
    from throughtime.tasks.tagging import TagEvaluation

    ScoreRow = tuple[str, list[str], int]
    """A class, its precision, recall and F1, and how often it occurs."""

_MAX_CLASSES = 20  # of the confusion matrix
_MAX_EXAMPLES = 8
_MAX_MISTAKES = 12
_MAX_WORDS = 60  # of an example
_CHANNELS = ("network", "seasonal", "mean")  # lines of a sequence of numbers: its first channels


@dataclass(frozen=True)
class ConfusionMatrix:
    """A confusion matrix: rows are actual classes; a cell is its count and its share of the row."""

    classes: list[str]
    rows: list[tuple[str, list[tuple[int, float]]]]
    left_out: int

    @classmethod
    def of(cls, evaluation: Evaluation) -> ConfusionMatrix:
        """Return the matrix of the most frequent classes, in their own order."""
        counts = evaluation.confusion
        frequent = np.sort((counts.sum(0) + counts.sum(1)).argsort()[::-1][:_MAX_CLASSES])
        names = [str(evaluation.classes[i]) for i in frequent]
        totals = np.maximum(counts.sum(1), 1)
        rows = [
            (name, [(int(counts[i, j]), float(counts[i, j] / totals[i])) for j in frequent])
            for name, i in zip(names, frequent, strict=True)
        ]
        return cls(names, rows, len(counts) - len(frequent))


@dataclass(frozen=True)
class Misclassified:
    """An example with the wrong prediction.

    Attributes:
        actual: class.
        predicted: class.
        probability: of the predicted class.
        words: of a text, each with the probability of the actual class after it.
        picture: of a sequence of numbers.
    """

    actual: str
    predicted: str
    probability: float
    words: list[tuple[str, float]]
    picture: Picture | None


def classifier_verdict(evaluation: Evaluation) -> str:
    """Return the scores of a classifier as a sentence."""
    return (
        f"{evaluation.accuracy:.1%} of {evaluation.count} {evaluation.qualify('sequences')} are classified correctly "
        f"(macro F1 {evaluation.macro_f1:.3f}); always predicting the most frequent class would be correct for "
        f"{evaluation.majority:.1%}."
    )


def tagger_verdict(evaluation: TagEvaluation) -> str:
    """Return the scores of a tagger as a sentence."""
    words, entities = evaluation.words, evaluation.entities
    sentence = f"{words.accuracy:.1%} of {words.count} {evaluation.qualify('words')} are tagged correctly"
    if entities is None:
        return f"{sentence}; always predicting the most frequent tag would be correct for {words.majority:.1%}."
    return (
        f"{sentence}; of {entities.actual} entities {entities.n_correct} are found exactly: F1 {entities.f1:.1%} "
        f"(precision {entities.precision:.1%}, recall {entities.recall:.1%})."
    )


def classifier_page(
    classifier: SequenceClassifier,
    X: Sequence[Any],
    y: Sequence[str],
    evaluation: Evaluation,
    notes: list[str],
    source: RunSource,
) -> str:
    """Return the report of a classifier as HTML, with examples from its test sequences."""
    is_text = isinstance(X[0], str)
    facts = {
        "Classes": len(evaluation.classes),
        capitalize_first(evaluation.qualify("sequences")): evaluation.count,
        "Accuracy": f"{evaluation.accuracy:.1%}",
        "Macro F1": f"{evaluation.macro_f1:.3f}",
    }
    return render(
        "classification.html",
        title=f"{source.name}: {'texts' if is_text else 'sequences'} of {len(evaluation.classes)} classes",
        verdict=classifier_verdict(evaluation),
        facts=facts | network_facts(classifier.cell, classifier.network_),
        what="class",
        matrix=ConfusionMatrix.of(evaluation),
        measures=_score_rows(evaluation),
        entities=None,
        misclassified=_misclassified(classifier, X, y),
        is_text=is_text,
        sentences=[],
        mistakes=_mistakes(evaluation),
        **training_contents(classifier.history_, notes, source),
    )


def tagger_page(
    tagger: SequenceTagger,
    sentences: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str | None]],
    evaluation: TagEvaluation,
    notes: list[str],
    source: RunSource,
) -> str:
    """Return the report of a tagger as HTML."""
    words, entities = evaluation.words, evaluation.entities
    facts: dict[str, Any] = {"Tags": len(words.classes), capitalize_first(evaluation.qualify("words")): words.count}
    facts["Accuracy"] = f"{words.accuracy:.1%}"
    if entities is not None:
        facts["Entity F1"] = f"{entities.f1:.1%}"
    return render(
        "classification.html",
        title=f"{source.name}: {len(words.classes)} tags",
        verdict=tagger_verdict(evaluation),
        facts=facts | network_facts(tagger.cell, tagger.network_),
        what="tag",
        matrix=ConfusionMatrix.of(words),
        measures=_score_rows(words),
        entities=None if entities is None else _entity_rows(entities.by_type),
        misclassified=[],
        is_text=True,
        sentences=_worst_sentences(sentences, tags, tagger.predict(sentences)),
        mistakes=_mistakes(words),
        **training_contents(tagger.history_, notes, source),
    )


def _score_rows(evaluation: Evaluation) -> list[ScoreRow]:
    """Return the scores of each class, the most frequent first."""
    counts = evaluation.confusion.sum(1)
    return [
        (
            str(evaluation.classes[i]),
            [f"{score[i]:.1%}" for score in (evaluation.precision, evaluation.recall, evaluation.f1)],
            int(counts[i]),
        )
        for i in counts.argsort(kind="stable")[::-1]
    ]


def _entity_rows(by_type: dict[str, tuple[int, int, int]]) -> list[ScoreRow]:
    """Return the scores of each type of entity, the most frequent first."""
    rows = []
    for name, (correct, predicted, actual) in sorted(by_type.items(), key=lambda item: -item[1][2]):
        scores = correct / max(predicted, 1), correct / max(actual, 1), 2 * correct / max(predicted + actual, 1)
        rows.append((name, [f"{score:.1%}" for score in scores], actual))
    return rows


def _mistakes(evaluation: Evaluation) -> list[tuple[str, str, int]]:
    """Return the most frequent mistakes: actual class, predicted class, count."""
    wrong = evaluation.confusion * ~np.eye(len(evaluation.classes), dtype=bool)
    order = wrong.argsort(axis=None, kind="stable")[::-1][:_MAX_MISTAKES]
    pairs = [divmod(int(index), len(evaluation.classes)) for index in order]
    return [(str(evaluation.classes[a]), str(evaluation.classes[b]), int(wrong[a, b])) for a, b in pairs if wrong[a, b]]


def _misclassified(classifier: SequenceClassifier, X: Sequence[Any], y: Sequence[str]) -> list[Misclassified]:
    """Return the mistakes with the highest probability."""
    proba = classifier.predict_proba(X)
    classes = [str(label) for label in classifier.classes_.tolist()]
    predicted = proba.argmax(1)
    wrong = [i for i, label in enumerate(y) if classes[predicted[i]] != label]
    most_certain = sorted(wrong, key=lambda i: -proba[i].max())[:_MAX_EXAMPLES]
    return [
        Misclassified(
            y[i],
            classes[predicted[i]],
            float(proba[i].max()),
            _word_probabilities(classifier, X[i], classes.index(y[i])) if isinstance(X[i], str) else [],
            None if isinstance(X[i], str) else _draw_sequence(X[i]),
        )
        for i in most_certain
    ]


def _word_probabilities(classifier: SequenceClassifier, text: str, actual: int) -> list[tuple[str, float]]:
    """Return the words of a text, each with the probability of the actual class after it."""
    words = text.split()[:_MAX_WORDS]
    steps = classifier.steps_proba([" ".join(words)])[0]
    return [(word, float(row[actual])) for word, row in zip(words, steps, strict=True)]


def _draw_sequence(sequence: np.ndarray) -> Picture:
    def draw(width: int, height: int) -> Markup:
        steps = np.arange(1, len(sequence) + 1)
        chart = Chart("The sequence", fit_axis(steps, kind="whole", margin=0.02), fit_axis(sequence), width, height)
        for channel, kind in enumerate(_CHANNELS[: sequence.shape[1]]):
            chart.line(steps, sequence[:, channel], kind)
        return chart.svg("step")

    return Picture(draw(374, 200), draw(350, 190))


def _worst_sentences(
    sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[str | None]], predicted: Sequence[Sequence[str]]
) -> list[list[tuple[str, str, str]]]:
    """Return the sentences with the most mistakes: each word, its actual and its predicted tag.

    A word without an actual tag counts as correct.
    """
    pairs = [[(a or p, p) for a, p in zip(*row, strict=True)] for row in zip(tags, predicted, strict=True)]
    wrong = [sum(actual != guess for actual, guess in row) for row in pairs]
    short = [i for i, words in enumerate(sentences) if len(words) <= _MAX_WORDS and wrong[i]]
    worst = sorted(short, key=lambda i: -wrong[i])[:_MAX_EXAMPLES]
    return [[(word, *pair) for word, pair in zip(sentences[i], pairs[i], strict=True)] for i in worst]
