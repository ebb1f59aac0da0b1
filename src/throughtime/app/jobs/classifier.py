"""`throughtime train classify`, and `predict` and `evaluate` for a trained classifier."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import throughtime
from throughtime import SequenceClassifier
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.delivery import deliver_predictions, deliver_scores, overlap_to_json
from throughtime.app.jobs.runner import Outcome, build_estimator, estimator_training, run_source
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.output import csv_file, format_csv, text_file
from throughtime.app.report import classification as report
from throughtime.app.run_directory import read_run_record
from throughtime.data.series.ts_files import read_ts
from throughtime.data.text.labelled_texts import read_labelled_texts

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.jobs.requests import ModelRequest, TrainRequest
    from throughtime.app.jobs.runner import Training
    from throughtime.tasks.classification_metrics import Evaluation

OPTIONS = ("text", "label")
_SETTINGS = list(SequenceClassifier().get_params())
_RESULTS = {"model": "model", "report": "report.html", "predictions": "predictions.csv"}
_TEST_FRACTION = 0.2  # if no test file is given


@dataclass(frozen=True)
class Cases:
    """Texts or sequences of numbers, and their labels if there are any."""

    X: list[Any]
    y: list[str] | None
    notes: list[str] = field(default_factory=list)

    def select(self, rows: np.ndarray) -> Cases:
        """Return the cases of some rows."""
        return Cases([self.X[i] for i in rows], None if self.y is None else [self.y[i] for i in rows])


def read_cases(path: Path, columns: dict[str, Any], *, need_labels: bool = True) -> Cases:
    """Read a `.ts` file, or a table of texts.

    Raises:
        InputError: for a file that cannot be used.
    """
    if ".ts" in path.suffixes:
        X, y = read_ts(path)
        if need_labels and not any(y):
            raise InputError(f"{path}: expected a class at the end of each line and @classLabel true, got none")
        return Cases(X, y if any(y) else None)
    names = {name: columns.get(name) for name in ("text", "label")}
    former = columns.get("former") or (None, None)
    texts = read_labelled_texts(path, **names, need_labels=need_labels, former=former)
    if need_labels or texts.labels is None or all(texts.labels):
        return Cases(texts.texts, texts.labels, texts.notes)
    return Cases(texts.texts, None, texts.notes)


def prepare(request: TrainRequest, console: ConsoleOutput) -> Training:
    """Read the data, set a part of them aside, and return the steps of the training.

    Raises:
        InputError: for data and settings that cannot be used.
    """
    cases = read_cases(request.data, request.options)
    console.say(*cases.notes)
    classifier = build_estimator(SequenceClassifier, request.settings, _SETTINGS)
    training, test, note = _split(request, cases, seed=request.settings.get("random_state", 0))
    console.say(note)

    def evaluate() -> Outcome:
        overlap = classifier.overlap(test.X)
        console.say(*overlap.notes)
        scored, file = test.select(overlap.scored), request.test or request.data
        evaluation = _evaluate(classifier, scored, file)
        notes = [*cases.notes, note, *classifier.notes_, *overlap.notes]
        page = report.classifier_page(classifier, scored.X, scored.y or [], evaluation, notes, run_source(request))
        predictions = csv_file(*_predictions(classifier, test, file))
        return Outcome(
            {"report.html": text_file(page), "predictions.csv": predictions},
            {**scores(evaluation), **overlap_to_json(overlap), "trained_on": len(training.X)},
            partial(_show, evaluation),
        )

    data = (training.X, training.y)
    return estimator_training("classify", request, classifier, data, evaluate, _RESULTS, console)


def predict(request: ModelRequest) -> None:
    """Write the class of each sequence of a file, and the probability of each class.

    Raises:
        InputError: for data that cannot be used.
    """
    cases = read_cases(request.data, _with_former_columns(request), need_labels=False)
    classifier = throughtime.load(request.model)
    console = ConsoleOutput()
    console.say(*cases.notes)
    columns, rows = _predictions(classifier, Cases(cases.X, None), request.data)
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    deliver_predictions(request, "predictions", format_csv(columns, rows), records, {"count": len(records)}, console)


def evaluate(request: ModelRequest) -> None:
    """Print the scores of a classifier on a labelled file.

    Raises:
        InputError: for data that cannot be used.
    """
    cases, console = read_cases(request.data, _with_former_columns(request)), ConsoleOutput()
    console.say(*cases.notes)
    evaluation = _evaluate(throughtime.load(request.model), cases, request.data)
    console.say(*(evaluation.overlap.notes if evaluation.overlap else ()))
    confusion = {"classes": evaluation.classes, "counts": evaluation.confusion.tolist()}
    result = {**scores(evaluation), **overlap_to_json(evaluation.overlap), "confusion": confusion}
    deliver_scores(request, result, partial(_show, evaluation, console))


def scores(evaluation: Evaluation) -> dict[str, Any]:
    """Return the scores by name."""
    return {
        "accuracy": evaluation.accuracy,
        "macro_f1": evaluation.macro_f1,
        "majority": evaluation.majority,
        "classes": len(evaluation.classes),
        "tested_on": evaluation.count,
    }


def _with_former_columns(request: ModelRequest) -> dict[str, Any]:
    """Return the options of a request, and the columns that the training read."""
    options = read_run_record(request.model).get("options")
    former = options if isinstance(options, dict) else {}
    return {**request.options, "former": (former.get("text"), former.get("label"))}


def _split(request: TrainRequest, cases: Cases, seed: int) -> tuple[Cases, Cases, str]:
    """Return training cases, test cases and a note on where those come from."""
    if request.test is not None:
        test = read_cases(request.test, request.options)
        classes = {*(cases.y or [])}
        unknown = next((label for label in test.y or [] if label not in classes), None)
        if unknown is not None:
            raise InputError(f"{request.test}: the class {unknown!r} does not occur in {request.data}")
        return cases, test, f"Tested on {request.test}."
    assert cases.y is not None
    y, random = np.array(cases.y), np.random.default_rng(seed)
    chosen: list[int] = []
    for label in np.unique(y):
        rows = random.permutation(np.flatnonzero(y == label))
        chosen += rows[: min(max(1, round(_TEST_FRACTION * len(rows))), len(rows) - 1)].tolist()
    aside = np.array(sorted(chosen), dtype=int)
    if not len(aside):
        raise InputError(
            f"{request.data}: expected at least one class with two sequences; add sequences, or a file with --test"
        )
    note = f"{len(aside)} of {len(y)} sequences were set aside as a test set (another file with --test)."
    return cases.select(np.setdiff1d(np.arange(len(y)), aside)), cases.select(aside), note


def _evaluate(classifier: SequenceClassifier, cases: Cases, path: Path) -> Evaluation:
    with located_errors(path, ()):
        return classifier.evaluate(cases.X, _native_labels(classifier, cases.y))


def _native_labels(classifier: SequenceClassifier, y: list[str] | None) -> list[Any]:
    """Return the labels of a file, which are text, as the classes of a classifier that was trained in Python."""
    classes = {str(label): label for label in classifier.classes_.tolist()}
    return [classes.get(label, label) for label in y or []]


def _predictions(classifier: SequenceClassifier, cases: Cases, path: Path) -> tuple[list[str], list[list[Any]]]:
    """Return the names of columns, and for each sequence its row, its label if there is one, and its prediction."""
    with located_errors(path, ()):
        proba = classifier.predict_proba(cases.X)
    predicted = classifier.classes_[proba.argmax(1)].tolist()
    actual = ["actual"] if cases.y is not None else []
    texts = ["text"] if isinstance(cases.X[0], str) else []
    columns = ["row", *actual, "predicted", *(f"probability of {label}" for label in classifier.classes_), *texts]
    rows = []
    for i, row in enumerate(proba):
        label = [] if cases.y is None else [cases.y[i]]
        rows.append([i + 1, *label, predicted[i], *(round(float(p), 6) for p in row), *(cases.X[i] for _ in texts)])
    return columns, rows


def _show(evaluation: Evaluation, console: ConsoleOutput) -> None:
    console.classes(evaluation, evaluation.qualify("sequences"))
    console.show(report.classifier_verdict(evaluation), style="bold")
