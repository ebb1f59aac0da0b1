"""The classifier: texts or sequences of numbers in, a class for each out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import validate_data
from torch.nn.functional import cross_entropy

from throughtime._core.param_checks import check_bool, check_choice, check_fraction, check_int
from throughtime.data.bucket_batches import BucketBatches
from throughtime.data.text.vocabulary import TOKENS, TokenVocabulary
from throughtime.inference.classification.classifier import ClassifierModel
from throughtime.inference.classification.inputs import (
    Encoder,
    SequenceScaler,
    classes_from_json,
    count_missing,
    encode,
    encoder_from_json,
    encoder_to_json,
    read_items,
)
from throughtime.nn.pooling import POOLINGS
from throughtime.tasks.base import AbstractEstimator, LearnedState, draw_seed, held_out_notes
from throughtime.tasks.classification.labels import (
    class_indices,
    class_weights,
    encode_classes,
    stratified_holdout,
)
from throughtime.tasks.classification.network import ClassifierSizes, SequenceNetwork
from throughtime.tasks.classification_metrics import Evaluation
from throughtime.tasks.fingerprints import Fingerprints, Overlap, duplicate_notes
from throughtime.tasks.saving import network_graphs
from throughtime.tasks.trainer import TrainingBudget, train_network

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from throughtime.data.jagged import JaggedSequences
    from throughtime.io.saved_model import SavedModel
    from throughtime.tasks.trainer import Callback

PRESETS = {
    "fast": TrainingBudget(300, 3, 20),
    "balanced": TrainingBudget(1600, 6, 100),
    "best": TrainingBudget(4000, 10, 300),
}
"""Work of each preset."""

_BATCH_SIZE = 50  # sequences
_SMALL_DATA = 200  # training sequences, below which several networks are averaged, since one varies by chance
_ENSEMBLE_SIZE = 5
_EVAL_BATCH_SIZE = 256
_LARGE_DATA = 1000  # texts, above which words that occur once are left out of the vocabulary
_MAX_MEMBERS = 100


class SequenceClassifier(ClassifierMixin, AbstractEstimator):
    """Classify sequences: the mood of a sentence, the speaker of a vowel, the movement in a recording.

    A recurrent layer reads the steps of a sequence, they are summed up, and a linear layer gives each class a score.
    A part of the training data is held out to choose the weights by.

    X may be a list (or a column of a frame) of texts; a list of arrays (T_i, d) of different lengths; an array
    (N, T, d); or an array (N, T), read as N sequences of T single numbers. NaN is a missing value.

    Args:
        cell: a name in `throughtime.nn.LAYERS`, such as 'gru' or 'lstm'.
        hidden_size: H.
        num_layers: L.
        bidirectional: whether sequences are read from both ends.
        pooling: how the steps are summed up: 'final', 'mean', 'max' or 'attention'.
        tokens: what texts consist of: 'word', 'subword', 'char' or 'byte'.
        dropout: share of the numbers that are hidden between layers in training.
        preset: 'fast', 'balanced' or 'best'.
        class_weight: None, 'balanced' for rare classes to weigh as much as frequent ones, or a weight for each class.
        validation_fraction: share of each class that is held out.
        budget: of time for learning: seconds, or such as '5m'; None for as long as it takes.
        random_state: makes all of it reproducible.

    Attributes:
        classes_: in the order of the columns of `predict_proba`.
        notes_: what was found in the data and decided about it, in plain sentences.
        history_: of the training.
        network_: the torch module.

    >>> import throughtime as tt
    >>> classifier = tt.SequenceClassifier(preset="fast", hidden_size=8, random_state=0)
    >>> classifier.fit(["so good", "good fun", "so bad", "bad taste"] * 20, ["+", "+", "-", "-"] * 20).predict(["good"])
    array(['+'], dtype='<U1')
    """

    task = "classify"
    network_type = SequenceNetwork
    network_params = ("cell", "hidden_size", "num_layers", "bidirectional", "pooling", "tokens")
    params_from_json: ClassVar[dict[str, Callable[[Any], Any]]] = {"class_weight": dict}

    classes_: np.ndarray
    encoder_: Encoder
    fingerprints_: Fingerprints
    network_: SequenceNetwork
    n_features_in_: int  # steps of every sequence, where X was a matrix

    def __init__(
        self,
        *,
        cell: str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        pooling: str = "attention",
        tokens: str = "word",
        dropout: float = 0.5,
        preset: str = "balanced",
        class_weight: str | dict[Any, float] | None = None,
        validation_fraction: float = 0.1,
        budget: float | str | None = None,
        random_state: int | None = 0,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.tokens = tokens
        self.dropout = dropout
        self.preset = preset
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.budget = budget
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        validation: tuple[Any, Any] | None = None,
        *,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from sequences and their classes.

        Args:
            X: sequences, in one of the forms above.
            y: the class of each.
            validation: other sequences and their classes to choose the weights by; a part of X is held out if None.
            callbacks: are called with the progress.

        Raises:
            InputError: for settings or data that cannot be used.
            Interrupted: on Ctrl-C; the classifier is usable and holds the best so far.
        """
        self.check_params()
        data = self._read(X, reset=True)
        classes, targets = encode_classes(y, len(data))
        random = check_random_state(self.random_state)
        seed = draw_seed(random)
        held_rows = stratified_holdout(targets, self.validation_fraction, random) if validation is None else targets[:0]
        train_rows = np.setdiff1d(np.arange(len(data)), held_rows)
        train, held_out, held_targets = [data[i] for i in train_rows], [data[i] for i in held_rows], targets[held_rows]
        encoder = self._learn_encoder(train)
        if validation is not None:
            held_out = self._read(validation[0], encoder)
            held_targets = class_indices(validation[1], classes, len(held_out), "validation")
        members = _ENSEMBLE_SIZE if len(train) < _SMALL_DATA and self.preset != "fast" else 1
        network = self._new_network(self._network_sizes(encoder, len(classes), members), seed, dropout=self.dropout)
        notes = [
            f"{len(data)} sequences of {len(classes)} classes.",
            *held_out_notes(len(held_rows), "of them"),
            *_model_notes(encoder, members),
            *duplicate_notes(train, held_out, "sequences"),
            *_missing_notes(data),
        ]
        learned = {
            "classes_": classes,
            "encoder_": encoder,
            "fingerprints_": Fingerprints.from_sequences([*train, *held_out]),
        }
        batches = self._batches(encode(encoder, train), targets[train_rows])
        return self._fit(
            lambda: train_network(
                network,
                batches,
                PRESETS[self.preset].options(len(batches), self.budget),
                loss=self._loss(classes, targets[train_rows]),
                validation=_validation_batches(encoder, held_out, held_targets) if len(held_out) else None,
                callbacks=callbacks,
                seed=seed,
            ),
            lambda history: self._set_fitted(network, history, notes, **learned),
        )

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each sequence."""
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class for each sequence, (N, C), in the order of `classes_`."""
        self._check_fitted()
        return self._model().probabilities(self._read(X, self.encoder_))

    def steps_proba(self, X: Any) -> list[np.ndarray]:
        """Return the probabilities after each word of a text, or after each step of a sequence of numbers.

        Returns:
            For each sequence (W, C): row w holds those after the first w + 1 words (split at white space).
        """
        self._check_fitted()
        return self._model().step_probabilities(self._read(X, self.encoder_))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy.

        Raises:
            InputError: for a class that was not in the training data.
        """
        self._check_fitted()
        predicted = self.predict(X)
        class_indices(y, self.classes_, len(predicted))
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def evaluate(self, X: Any, y: Any) -> Evaluation:
        """Accuracy, F1 over classes, and which class was taken for which.

        A sequence that was learned from is not scored, unless all were: `overlap` of the result says which.

        Raises:
            InputError: for a class that was not in the training data.
        """
        self._check_fitted()
        overlap, predicted = self.overlap(X), self.predict_proba(X).argmax(1)
        actual, rows = class_indices(y, self.classes_, len(predicted)), overlap.scored
        return Evaluation.from_predictions(actual[rows], predicted[rows], self.classes_.tolist(), overlap)

    def overlap(self, X: Any) -> Overlap:
        """Which sequences were part of the training data, also to choose the weights by."""
        self._check_fitted()
        return self.fingerprints_.overlap(self._read(X, self.encoder_))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        return tags

    def _check_task_params(self) -> None:
        for name in ("hidden_size", "num_layers"):
            check_int(name, getattr(self, name))
        check_bool("bidirectional", self.bidirectional)
        for name in ("dropout", "validation_fraction"):
            check_fraction(name, getattr(self, name))
        for name, choices in (("pooling", POOLINGS), ("tokens", TOKENS), ("preset", PRESETS)):
            check_choice(name, getattr(self, name), choices)

    def _network_sizes(self, encoder: Encoder, classes: int, members: int) -> ClassifierSizes:
        is_text = isinstance(encoder, TokenVocabulary)
        return ClassifierSizes(
            classes=classes,
            vocabulary=len(encoder) if is_text else 0,
            features=0 if is_text else encoder.features,
            block=1 if is_text else encoder.block,
            cell=self.cell,
            hidden_size=int(self.hidden_size),
            num_layers=int(self.num_layers),
            bidirectional=bool(self.bidirectional),
            pooling=self.pooling,
            members=members,
        )

    def _learned_state(self) -> LearnedState:
        config = {
            "sizes": asdict(self.network_.sizes),
            "encoder": encoder_to_json(self.encoder_),
            "classes": self.classes_.tolist(),
            "features": getattr(self, "n_features_in_", None),
            "graphs": network_graphs(self.network_),
        }
        return LearnedState(config, self.fingerprints_.to_tensors())

    def _restore(self, saved: SavedModel) -> tuple[SequenceNetwork, dict[str, Any]]:
        classes = classes_from_json(saved.config["classes"])
        encoder = encoder_from_json(saved.config["encoder"])
        members, features = saved.config["sizes"]["members"], saved.config["features"]
        if type(members) is not int or not 1 <= members <= _MAX_MEMBERS:
            raise ValueError(f"impossible number of networks: {members!r}")
        network = self._restore_network(
            saved, self._network_sizes(encoder, len(classes), members), dropout=self.dropout
        )
        learned = {"classes_": classes, "encoder_": encoder, "fingerprints_": Fingerprints.from_tensors(saved.tensors)}
        return network, learned if features is None else {**learned, "n_features_in_": int(features)}

    def _read(self, X: Any, encoder: Encoder | None = None, *, reset: bool = False) -> Sequence[Any]:
        """Texts, or sequences (T_i, d); of the kind that the encoder was made for, if there is one already."""
        X = list(X) if isinstance(X, Iterator) else X
        items = read_items(X, encoder)
        if items is not None:
            if reset:
                vars(self).pop("n_features_in_", None)
            return items
        has_features = reset or hasattr(self, "n_features_in_")
        finite: Any = "allow-nan"  # scikit-learn's annotations know booleans only
        checked = {"ensure_all_finite": finite}
        table = validate_data(self, X, reset=reset, **checked) if has_features else check_array(X, **checked)
        return list(np.asarray(table, dtype=np.float64)[:, :, None])

    def _learn_encoder(self, data: Sequence[Any]) -> Encoder:
        if isinstance(data[0], str):
            return TokenVocabulary.learn(data, self.tokens, rare=2 if len(data) > _LARGE_DATA else 1)
        return SequenceScaler.learn(data)

    def _batches(self, x: JaggedSequences, targets: np.ndarray) -> BucketBatches:
        return BucketBatches(x, targets, batch_size=min(_BATCH_SIZE, max(8, len(x) // 10)))

    def _loss(self, classes: np.ndarray, targets: np.ndarray) -> Callable[[Tensor, Tensor], Tensor]:
        weight = None
        if self.class_weight is not None:
            weight = torch.from_numpy(class_weights(self.class_weight, classes, targets)).float()

        def loss(scores: Tensor, target: Tensor) -> Tensor:
            members = scores.shape[1]
            return cross_entropy(scores.flatten(0, 1), target.repeat_interleave(members), weight=weight)

        return loss

    def _model(self) -> ClassifierModel:
        return ClassifierModel(self.classes_, self.encoder_, self._scores)

    @torch.no_grad()
    def _scores(self, x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return self.network_(torch.from_numpy(x), lengths=torch.from_numpy(lengths)).numpy()


def _validation_batches(encoder: Encoder, data: Sequence[Any], numbers: np.ndarray) -> BucketBatches:
    """Sequences that the weights are chosen by."""
    return BucketBatches(encode(encoder, data), numbers, batch_size=_EVAL_BATCH_SIZE, shuffle=False)


def _model_notes(encoder: Encoder, members: int) -> list[str]:
    """Return notes on what the network reads, and on how many networks there are."""
    notes = []
    if members > 1:
        notes.append(f"They are few: the probabilities of {members} networks are averaged, each with its last weights.")
    if isinstance(encoder, TokenVocabulary):
        notes.append(f"Vocabulary: {len(encoder)} {encoder.kind}s.")
    elif encoder.block > 1:
        notes.append(f"The sequences are long: each recurrent step reads {encoder.block} of their steps.")
        notes.append("They are augmented in training: a little faster or slower, earlier or later, scaled.")
    return notes


def _missing_notes(data: Sequence[Any]) -> list[str]:
    missing = count_missing(data)
    return [f"{missing} values are missing; they are interpolated between their neighbours."] * (missing > 0)
