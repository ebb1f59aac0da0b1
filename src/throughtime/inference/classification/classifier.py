"""A trained classifier around its network, which torch or a graph runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.inference.classification.inputs import (
    Encoder,
    classes_from_json,
    encode,
    encoder_from_json,
    example_input,
    prefixes,
    read_items,
    read_matrix,
)
from throughtime.inference.probabilities import softmax
from throughtime.runtime.model_directory import check_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughtime.runtime.model_directory import ModelDirectory

_BATCH_SIZE = 256


@dataclass(frozen=True)
class ClassifierModel:
    """A trained classifier: texts or sequences of numbers in, probabilities of classes out.

    Attributes:
        classes_: in the order of the columns of `predict_proba`.
        encoder: of the sequences.
        network: maps inputs (N, T, …) and lengths (N) to the scores (N, M, C) of M networks.
        width: steps of every sequence in training, where X was a matrix.
    """

    classes_: np.ndarray
    encoder: Encoder
    network: Callable[[np.ndarray, np.ndarray], np.ndarray]
    width: int | None = None

    @classmethod
    def from_directory(cls, model: ModelDirectory) -> ClassifierModel:
        """Build a classifier from what `SequenceClassifier.save` wrote.

        Raises:
            ValueError: for what does not fit together.
        """
        classes, encoder = classes_from_json(model.config["classes"]), encoder_from_json(model.config["encoder"])
        graph, width = model.graph("network"), model.config["features"]

        def network(x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
            return graph(x=x, lengths=lengths)["scores"]

        classifier = cls(classes, encoder, network, width if width is None else int(width))
        check_shape(network(*example_input(encoder)), (1, None, len(classes)))
        return classifier

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each sequence."""
        return self.classes_[self.predict_proba(X).argmax(1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class for each sequence, (N, C), in the order of `classes_`.

        Raises:
            InputError: for sequences that cannot be used.
        """
        return self.probabilities(self._read(X))

    def steps_proba(self, X: Any) -> list[np.ndarray]:
        """Return the probabilities after each word of a text, or after each step of a sequence of numbers.

        Returns:
            For each sequence (W, C): row w holds those after the first w + 1 words (split at white space).
        """
        return self.step_probabilities(self._read(X))

    def probabilities(self, sequences: Sequence[Any]) -> np.ndarray:
        """Return the probabilities (N, C) of sequences that are read already."""
        x = encode(self.encoder, sequences)
        proba = np.empty((len(x), len(self.classes_)))
        for chosen in x.batches_by_length(_BATCH_SIZE):
            proba[chosen] = softmax(self.network(x.padded(chosen), x.lengths[chosen])).mean(1)
        return proba

    def step_probabilities(self, sequences: Sequence[Any]) -> list[np.ndarray]:
        """Return what `steps_proba` does for sequences that are read already."""
        parts = [prefixes(sequence) for sequence in sequences]
        together = self.probabilities([prefix for sequence in parts for prefix in sequence])
        return np.split(together, np.cumsum([len(sequence) for sequence in parts])[:-1])

    def _read(self, X: Any) -> Sequence[Any]:
        X = list(X) if isinstance(X, Iterator) else X
        items = read_items(X, self.encoder)
        return read_matrix(X, self.width) if items is None else items
