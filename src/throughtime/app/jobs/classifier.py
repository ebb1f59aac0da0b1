"""`throughtime train classify`, and what a trained classifier can do from the command line."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

import throughtime
from throughtime import SequenceClassifier
from throughtime._core.errors import InputError
from throughtime.app import output
from throughtime.app.console import ConsoleOutput
from throughtime.app.report import classification as report
from throughtime.app.run_directory import read_run_record
from throughtime.data.series.ts_files import read_ts
from throughtime.data.text.labelled_texts import read_labelled_texts

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.jobs.tasks import ModelRequest, TrainRequest
    from throughtime.tasks.evaluation import Evaluation

OPTIONS = ("text", "label")
_SETTINGS = list(SequenceClassifier().get_params())
_SET_ASIDE = 0.2  # of the data, to judge by, where no test file is given


@dataclass(frozen=True)
class Cases:
    """Texts or sequences of numbers, and their labels where they are known."""

    X: list[Any]
    y: list[str] | None
    notes: list[str] = field(default_factory=list)

    def some(self, rows: np.ndarray) -> Cases:
        """Those of some rows."""
        return Cases([self.X[i] for i in rows], None if self.y is None else [self.y[i] for i in rows])


def read_cases(path: Path, columns: dict[str, Any], *, need_labels: bool = True) -> Cases:
    """Read a `.ts` file, or a table of texts."""
    if ".ts" in path.suffixes:
        X, y = read_ts(path)
        if need_labels and not any(y):
            raise InputError(f"{path}: expected a class at the end of each line and @classLabel true, got none")
        return Cases(X, y if any(y) else None)
    names = {name: columns.get(name) for name in ("text", "label")}
    found = read_labelled_texts(path, **names, need_labels=need_labels, former=columns.get("former") or (None, None))
    if need_labels or found.labels is None or all(found.labels):
        return Cases(found.texts, found.labels, found.notes)
    return Cases(found.texts, None, found.notes)


def _remembered(request: ModelRequest) -> dict[str, Any]:
    """The options of a job, and the columns of the training."""
    known = read_run_record(request.model).get("options")
    former = known if isinstance(known, dict) else {}
    return {**request.options, "former": (former.get("text"), former.get("label"))}


def train(order: TrainRequest) -> int:
    """Train a classifier, judge it by sequences that it has not learned from, and write a report.

    Raises:
        InputError: for whatever a user can mend.
    """
    started = time.monotonic()
    screen = ConsoleOutput()
    cases = read_cases(order.data, order.options)
    screen.say(*cases.notes)
    classifier = output.build_estimator(SequenceClassifier, order.settings, _SETTINGS)
    known, unseen, note = _parted(order, cases, seed=order.settings.get("random_state", 0))
    screen.say(note)
    with order.place.building() as directory:
        interrupted = output.fit(classifier, (known.X, known.y), order.data, screen)
        classifier.save(directory / "model")
        result: dict[str, Any] = {}
        evaluation = None
        if not interrupted:
            overlap = classifier.overlap(unseen.X)
            screen.say(*overlap.notes)
            scored = unseen.some(overlap.scored)
            evaluation = _evaluated(classifier, scored, order.test or order.data)
            notes = [*cases.notes, note, *classifier.notes_, *overlap.notes]
            page = report.classifier_page(classifier, scored.X, scored.y or [], evaluation, notes, output.source(order))
            (directory / "report.html").write_text(page, encoding="utf-8")
            (directory / "predictions.csv").write_text(
                _predictions(classifier, unseen, order.test or order.data), encoding="utf-8"
            )
            result = {"task": "classify", **_FILES, **scores(evaluation), **output.overlap_to_json(overlap)}
            result["trained_on"] = len(known.X)
            result["seconds"] = round(time.monotonic() - started, 2)
        output.describe(directory, order, "classify", result)
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


_FILES = {"model": "model", "report": "report.html", "predictions": "predictions.csv"}


def predict(request: ModelRequest) -> None:
    """Name the class of each sequence of a file, with the probability of each class."""
    cases = read_cases(request.data, _remembered(request), need_labels=False)
    classifier = throughtime.load(request.model)
    screen = ConsoleOutput()
    screen.say(*cases.notes)
    names, *rows = _table(classifier, Cases(cases.X, None), request.data)
    records = [dict(zip(names, row, strict=True)) for row in rows]
    output.deliver(request, output.format_csv(names, rows), screen, "predictions", records, {"count": len(records)})


def evaluate(request: ModelRequest) -> None:
    """Score a classifier on a file with known classes."""
    cases = read_cases(request.data, _remembered(request))
    ConsoleOutput().say(*cases.notes)
    classifier = throughtime.load(request.model)
    evaluation = _evaluated(classifier, cases, request.data)
    ConsoleOutput().say(*(evaluation.overlap.notes if evaluation.overlap else ()))
    if request.as_json:
        confusion = {"classes": evaluation.classes, "counts": evaluation.confusion.tolist()}
        output.print_json({"model": str(request.model), **_all_scores(evaluation), "confusion": confusion})
        return
    _show(ConsoleOutput(), evaluation)


def _all_scores(evaluation: Evaluation) -> dict[str, Any]:
    return {**scores(evaluation), **output.overlap_to_json(evaluation.overlap)}


def scores(evaluation: Evaluation) -> dict[str, Any]:
    """The scores by name, as JSON can hold them."""
    return {
        "accuracy": evaluation.accuracy,
        "macro_f1": evaluation.macro_f1,
        "majority": evaluation.majority,
        "classes": len(evaluation.classes),
        "tested_on": evaluation.count,
    }


def _parted(order: TrainRequest, cases: Cases, seed: int) -> tuple[Cases, Cases, str]:
    """Sequences to learn from, and to judge by."""
    if order.test is not None:
        unseen = read_cases(order.test, order.options)
        known = {*(cases.y or [])}
        odd = next((label for label in unseen.y or [] if label not in known), None)
        if odd is not None:
            raise InputError(f"{order.test}: the class {odd!r} does not occur in {order.data}")
        return cases, unseen, f"Judged by {order.test}."
    assert cases.y is not None
    y, random = np.array(cases.y), np.random.default_rng(seed)
    chosen: list[int] = []
    for label in np.unique(y):
        rows = random.permutation(np.flatnonzero(y == label))
        chosen += rows[: min(max(1, round(_SET_ASIDE * len(rows))), len(rows) - 1)].tolist()
    aside = np.array(sorted(chosen), dtype=int)
    if not len(aside):
        raise InputError(
            f"{order.data}: expected two sequences or more of some class; give more, or a file with --test"
        )
    note = f"{len(aside)} of {len(y)} sequences were set aside to judge by (another file with --test)."
    return cases.some(np.setdiff1d(np.arange(len(y)), aside)), cases.some(aside), note


def _evaluated(classifier: SequenceClassifier, cases: Cases, path: Path) -> Evaluation:
    try:
        return classifier.evaluate(cases.X, _labels(classifier, cases.y))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _labels(classifier: SequenceClassifier, y: list[str] | None) -> list[Any]:
    """Labels of a file, which are text, as the classes that a classifier was trained with in Python."""
    classes = {str(label): label for label in classifier.classes_.tolist()}
    return [classes.get(label, label) for label in y or []]


def _predictions(classifier: SequenceClassifier, cases: Cases, path: Path) -> str:
    names, *rows = _table(classifier, cases, path)
    return output.format_csv(names, rows)


def _table(classifier: SequenceClassifier, cases: Cases, path: Path) -> list[list[Any]]:
    """A header, and for each sequence its row, its class if that is known, and what was predicted."""
    try:
        proba = classifier.predict_proba(cases.X)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    given = classifier.classes_[proba.argmax(1)].tolist()
    known = ["actual"] if cases.y is not None else []
    texts = ["text"] if isinstance(cases.X[0], str) else []
    header = ["row", *known, "predicted", *(f"probability of {label}" for label in classifier.classes_), *texts]
    rows = []
    for i, row in enumerate(proba):
        actual = [] if cases.y is None else [cases.y[i]]
        rows.append([i + 1, *actual, given[i], *(round(float(p), 6) for p in row), *(cases.X[i] for _ in texts)])
    return [header, *rows]


def _show(screen: ConsoleOutput, evaluation: Evaluation) -> None:
    screen.classes(evaluation, evaluation.qualify("sequences"))
    screen.show(report.verdict(evaluation), style="bold")
