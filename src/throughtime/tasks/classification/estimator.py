"""The classifier: texts or sequences of numbers in, a class for each out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch.nn.functional import cross_entropy

from throughtime import training
from throughtime._core.errors import InputError
from throughtime._core.rng import PrivateRandom
from throughtime.data.containers import as_list
from throughtime.data.jagged import BucketBatches, JaggedSequences
from throughtime.data.text.vocabulary import TOKENS, TokenVocabulary
from throughtime.nn.pooling import POOLINGS
from throughtime.tasks.classification.inputs import (
    Encoder,
    SequenceScaler,
    as_sequences,
    as_texts,
    count_missing,
    encode,
    prefixes,
)
from throughtime.tasks.classification.labels import class_indices, class_weights, encode_classes, stratified_holdout
from throughtime.tasks.classification.network import LAYERS, NetworkSizes, SequenceNetwork
from throughtime.tasks.evaluation import Evaluation
from throughtime.tasks.fingerprints import Fingerprints, Overlap, duplicate_notes
from throughtime.tasks.param_checks import check_bool, check_choice, check_fraction, check_int
from throughtime.tasks.schedules import parse_budget
from throughtime.tasks.trainer import TrainingBudget, preset, train_network

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from torch import Tensor

    Callback = Callable[[training.Progress], None]

PRESETS = {
    "fast": TrainingBudget(300, 3, 20),
    "balanced": TrainingBudget(1600, 6, 100),
    "best": TrainingBudget(4000, 10, 300),
}
"""Work that may be put into learning."""

_LEARNING_RATE = 2e-3
_BATCH_SIZE = 50  # sequences, where there are enough
_SMALL_DATA = 200  # training sequences, below which chance decides much, and several networks are averaged
_ENSEMBLE_SIZE = 5
_EVAL_BATCH_SIZE = 256  # sequences
_LARGE_DATA = 1000  # texts, beyond which a word that comes only once teaches nothing


class SequenceClassifier(ClassifierMixin, BaseEstimator):
    """Tell sequences apart: the mood of a sentence, the speaker of a vowel, the movement in a recording.

    A recurrent layer reads the steps of a sequence, they are summed up, and a linear layer gives each class a score.
    A part of the training data is held out to choose the weights by.

    X may be a list (or a column of a frame) of texts; a list of arrays (T_i, d) of different lengths; an array
    (N, T, d); or an array (N, T), read as N sequences of T single numbers. NaN is a missing value.

    Args:
        cell: 'rnn', 'gru' or 'lstm'.
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

    n_features_in_: int  # steps of every sequence, where a matrix was learned from

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
        *,
        validation: tuple[Any, Any] | None = None,
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
        self.classes_, numbers = encode_classes(y, len(data))
        random = check_random_state(self.random_state)
        seed = int(random.randint(2**31 - 1))
        watched = stratified_holdout(numbers, self.validation_fraction, random) if validation is None else numbers[:0]
        kept = np.setdiff1d(np.arange(len(numbers)), watched)
        encoder = self._learn_encoder([data[i] for i in kept])
        learned, twice = list(data), duplicate_notes([data[i] for i in kept], [data[i] for i in watched], "sequences")
        if validation is not None:
            others = self._read(validation[0], encoder)
            learned, twice = [*learned, *others], duplicate_notes(data, others, "sequences")
            held_out = _validation_batches(
                encoder, others, class_indices(validation[1], self.classes_, len(others), "validation")
            )
        else:
            held_out = (
                _validation_batches(encoder, [data[i] for i in watched], numbers[watched]) if len(watched) else None
            )
        with PrivateRandom(seed):
            members = _ENSEMBLE_SIZE if len(kept) < _SMALL_DATA and self.preset != "fast" else 1
            network = SequenceNetwork(self.sizes(encoder, members), dropout=self.dropout)
        self.fingerprints_ = Fingerprints.from_sequences(learned)
        self.notes_ = [*_notes(self, encoder, len(numbers), len(watched), members), *twice]
        if missing := count_missing(data):
            self.notes_.append(f"{missing} values are missing, and are taken from the line between their neighbours.")
        x = encode(encoder, [data[i] for i in kept])
        try:
            history = self._train(network, x, numbers[kept], held_out, callbacks, seed)
        except training.Interrupted as error:
            self._set_fitted(network, encoder, error.history)
            raise
        self._set_fitted(network, encoder, history)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each sequence."""
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class for each sequence, (N, C), in the order of `classes_`."""
        check_is_fitted(self)
        return self._proba(encode(self.encoder_, self._read(X, self.encoder_)))

    def steps_proba(self, X: Any) -> list[np.ndarray]:
        """The probabilities after each word of a text, or each step of a sequence of numbers: where minds change.

        Returns:
            For each sequence (W, C): row w is what is thought after the first w + 1 words (parts between white space).
        """
        check_is_fitted(self)
        parts = [prefixes(each) for each in self._read(X, self.encoder_)]
        together = self._proba(encode(self.encoder_, [part for each in parts for part in each]))
        return np.split(together, np.cumsum([len(each) for each in parts])[:-1])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy.

        Raises:
            InputError: for a class that was not in the training data.
        """
        check_is_fitted(self)
        given = self.predict(X)
        class_indices(y, self.classes_, len(given))
        return float(accuracy_score(y, given, sample_weight=sample_weight))

    def evaluate(self, X: Any, y: Any) -> Evaluation:
        """Accuracy, F1 over classes, and which class was taken for which.

        A sequence that was learned from is not scored, unless all were: `overlap` of the result says which.

        Raises:
            InputError: for a class that was not in the training data.
        """
        check_is_fitted(self)
        overlap, given = self.overlap(X), self.predict_proba(X).argmax(1)
        actual, rows = class_indices(y, self.classes_, len(given)), overlap.scored
        return Evaluation.from_predictions(actual[rows], given[rows], self.classes_.tolist(), overlap)

    def overlap(self, X: Any) -> Overlap:
        """Which sequences were part of the training data, also to choose the weights by."""
        check_is_fitted(self)
        return self.fingerprints_.overlap(self._read(X, self.encoder_))

    def save(self, directory: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the classifier into a new directory; `throughtime.load` reads it.

        Raises:
            InputError: for a directory that exists, unless it is a model's and `overwrite` is set.
        """
        from throughtime.tasks.classification.saving import save

        check_is_fitted(self)
        save(self, directory, overwrite=overwrite)

    def _set_fitted(self, network: SequenceNetwork, encoder: Encoder, history: training.History) -> None:
        """Become a fitted classifier: what `fit` and `throughtime.load` end with."""
        self.network_, self.encoder_, self.history_ = network, encoder, history

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        return tags

    def check_params(self) -> None:
        """Refuse settings that cannot be used.

        Raises:
            InputError: names the first.
        """
        for name in ("hidden_size", "num_layers"):
            check_int(name, getattr(self, name))
        check_bool("bidirectional", self.bidirectional)
        for name in ("dropout", "validation_fraction"):
            check_fraction(name, getattr(self, name))
        for name, known in (("cell", LAYERS), ("pooling", POOLINGS), ("tokens", TOKENS), ("preset", PRESETS)):
            check_choice(name, getattr(self, name), known)
        parse_budget(self.budget)

    def sizes(self, encoder: Encoder, members: int) -> NetworkSizes:
        """What decides the shapes of the network's weights."""
        texts = isinstance(encoder, TokenVocabulary)
        return NetworkSizes(
            classes=len(self.classes_),
            vocabulary=len(encoder) if texts else 0,
            features=0 if texts else encoder.features,
            block=1 if texts else encoder.block,
            cell=self.cell,
            hidden_size=int(self.hidden_size),
            num_layers=int(self.num_layers),
            bidirectional=bool(self.bidirectional),
            pooling=self.pooling,
            members=members,
        )

    def _read(self, X: Any, encoder: Encoder | None = None, *, reset: bool = False) -> Sequence[Any]:
        """Texts, or sequences (T_i, d); of the kind that the encoder was made for, if there is one already."""
        items = as_list(X, "X")
        X = items if isinstance(X, Iterator) else X
        texts = as_texts(items)
        data = as_sequences(X, items) if texts is None else None
        if reset and (texts or data):
            vars(self).pop("n_features_in_", None)
        if encoder is not None and (texts is not None) != isinstance(encoder, TokenVocabulary):
            expected, got = (
                ("texts", "numbers") if isinstance(encoder, TokenVocabulary) else ("sequences of numbers", "texts")
            )
            raise InputError(f"X: expected {expected} as in training, got {got}")
        if texts is not None or data is not None:
            return texts or data or []
        known = reset or hasattr(self, "n_features_in_")
        finite: Any = "allow-nan"  # scikit-learn's annotations know booleans only
        checked = {"ensure_all_finite": finite}
        table = validate_data(self, X, reset=reset, **checked) if known else check_array(X, **checked)
        return list(np.asarray(table, dtype=np.float64)[:, :, None])

    def _learn_encoder(self, data: Sequence[Any]) -> Encoder:
        if isinstance(data[0], str):
            return TokenVocabulary.learn(data, self.tokens, rare=2 if len(data) > _LARGE_DATA else 1)
        return SequenceScaler.learn(data)

    def _train(
        self,
        network: SequenceNetwork,
        x: JaggedSequences,
        numbers: np.ndarray,
        held_out: BucketBatches | None,
        callbacks: Sequence[Callback],
        seed: int,
    ) -> training.History:
        batches = BucketBatches(x, torch.from_numpy(numbers), batch_size=min(_BATCH_SIZE, max(8, len(x) // 10)))
        weight = None
        if self.class_weight is not None:
            weight = torch.from_numpy(class_weights(self.class_weight, self.classes_, numbers)).float()

        def loss(scores: Tensor, target: Tensor) -> Tensor:
            members = scores.shape[1]
            return cross_entropy(scores.flatten(0, 1), target.repeat_interleave(members), weight=weight)

        return train_network(
            network,
            batches,
            loss=loss,
            epochs=preset(PRESETS, self.preset).epochs(len(batches)),
            learning_rate=_LEARNING_RATE,
            held_out=held_out,
            seconds=parse_budget(self.budget),
            callbacks=callbacks,
            seed=seed,
        )

    @torch.no_grad()
    def _proba(self, x: JaggedSequences) -> np.ndarray:
        """Probabilities of the classes, the shortest sequences first through the network."""
        order = x.lengths.argsort(stable=True)
        found = torch.empty(len(x), len(self.classes_), dtype=torch.float64)
        for chosen in order.split(_EVAL_BATCH_SIZE):
            found[chosen] = self.network_(x.padded(chosen), lengths=x.lengths[chosen]).double().softmax(-1).mean(1)
        return found.numpy()


def _validation_batches(encoder: Encoder, data: Sequence[Any], numbers: np.ndarray) -> BucketBatches:
    """Sequences that the weights are chosen by."""
    return BucketBatches(encode(encoder, data), torch.from_numpy(numbers), batch_size=_EVAL_BATCH_SIZE, shuffle=False)


def _notes(classifier: SequenceClassifier, encoder: Encoder, count: int, watched: int, members: int) -> list[str]:
    """What was decided about the data, in plain sentences."""
    notes = [f"{count} sequences of {len(classifier.classes_)} classes."]
    if watched:
        notes.append(f"{watched} of them were held out to choose the weights by.")
    if members > 1:
        notes.append(f"They are few: the opinions of {members} networks are averaged, each with its last weights.")
    if isinstance(encoder, TokenVocabulary):
        notes.append(f"Vocabulary: {len(encoder)} {encoder.kind}s.")
    elif encoder.block > 1:
        notes.append(f"The sequences are long: each recurrent step reads {encoder.block} of their steps.")
        notes.append("They are learned from in variants: a little faster or slower, earlier or later, scaled.")
    return notes
