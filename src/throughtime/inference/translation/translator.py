"""A trained translator around its network, which torch or a graph runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError, MissingPackageError
from throughtime._core.param_checks import check_int, check_non_negative
from throughtime.data.containers import as_items, is_missing
from throughtime.data.text.special_symbols import PAD
from throughtime.data.text.subwords import SubwordVocabulary
from throughtime.inference.translation.beam import beam_search
from throughtime.runtime.model_directory import check_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.inference.translation.beam import TranslationSteps
    from throughtime.runtime.graph_evaluation import BoundGraph
    from throughtime.runtime.model_directory import ModelDirectory

_BATCH_SIZE = 64  # sentences that are translated together


@dataclass(frozen=True)
class TranslatorModel:
    """A trained translator: sentences in, their translations out.

    Attributes:
        source: vocabulary of the sources.
        target: vocabulary of the translations.
        network: encoder and decoder.
        sizes: V of both vocabularies.
    """

    source: SubwordVocabulary
    target: SubwordVocabulary
    network: TranslationSteps
    sizes: tuple[int, int]

    @classmethod
    def from_directory(cls, model: ModelDirectory) -> TranslatorModel:
        """Build a translator from what `SequenceTranslator.save` wrote.

        Raises:
            ValueError: for what does not fit together.
        """
        source, target = (SubwordVocabulary(model.config[side]) for side in ("source", "target"))
        network = GraphSteps(model.graph("encoder"), model.graph("decoder"))
        sizes = len(model.arrays["network.source.weight"]), len(model.arrays["network.target.weight"])
        translator = cls(source, target, network, sizes)
        one = np.ones(1, np.int64)
        memory, state = network.start(np.full((1, 1), sizes[0] - 1), one)
        logits, _ = network.step(np.full(1, sizes[1] - 1), memory, state, one)
        check_shape(logits, (1, sizes[1]))
        translator.check_vocabularies()
        return translator

    def predict(self, sources: Sequence[str], *, beams: int = 5, length_penalty: float = 1.0) -> list[str]:
        """Translate sentences.

        Args:
            sources: sentences, of which empty ones stay empty.
            beams: beginnings of each translation that are kept.
            length_penalty: the power of the length that log-likelihoods are divided by.

        Raises:
            InputError: for anything but sentences.
        """
        numbers = self.source.encode(check_sentences(sources, "sources"))
        return self.target.decode(self.translate(numbers, beams=beams, length_penalty=length_penalty))

    def translate(
        self, sources: Sequence[Sequence[int]], *, beams: int = 5, length_penalty: float = 1.0
    ) -> list[list[int]]:
        """Translate sentences that are numbers of subwords, which needs no tokenizer.

        Args:
            sources: numbers of the subwords of each sentence; none give none.
            beams: as for `predict`.
            length_penalty: as for `predict`.

        Returns:
            The numbers of the subwords of each translation.

        Raises:
            InputError: for numbers that are not in the vocabulary.
        """
        check_int("beams", beams)
        check_non_negative("length_penalty", length_penalty)
        numbers = [self._check_numbers(sentence, row) for row, sentence in enumerate(sources, 1)]
        order = sorted((i for i in range(len(numbers)) if numbers[i]), key=lambda i: len(numbers[i]))
        translations: list[list[int]] = [[] for _ in numbers]
        for start in range(0, len(order), _BATCH_SIZE):
            rows = order[start : start + _BATCH_SIZE]
            batch = pad_rows([numbers[i] for i in rows], len(numbers[rows[-1]]))
            options = {"beams": min(beams, self.sizes[1] - 1), "length_penalty": length_penalty}
            for i, translation in zip(rows, beam_search(self.network, batch, **options), strict=True):
                translations[i] = translation
        return translations

    def check_vocabularies(self) -> None:
        """Refuse vocabularies that are not those of the network; one that nothing here can read is left to `predict`.

        Raises:
            ValueError: names what does not fit.
        """
        for vocabulary, size in zip((self.source, self.target), self.sizes, strict=True):
            try:
                vocabulary.check()
            except MissingPackageError:
                continue
            if len(vocabulary) != size:
                raise ValueError(f"the network does not fit: it has {size} symbols, the vocabulary {len(vocabulary)}")

    def _check_numbers(self, sentence: Sequence[int], row: int) -> list[int]:
        for number in sentence:
            is_subword = isinstance(number, int | np.integer) and 0 < number < self.sizes[0]
            if not is_subword or isinstance(number, bool):
                raise InputError(
                    f"sources, sentence {row}: expected numbers of subwords, 1 to {self.sizes[0] - 1}, got {number!r}"
                )
        return [int(number) for number in sentence]


@dataclass(frozen=True)
class GraphSteps:
    """A translating network of two graphs.

    Attributes:
        encoder: from sources and lengths to memory and state.
        decoder: from symbols, memory, state and lengths to logits and state.
    """

    encoder: BoundGraph
    decoder: BoundGraph

    def start(self, source: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the encoder's outputs, and the decoder's first state."""
        results = self.encoder(source=source, lengths=lengths)
        return results["memory"], results["state"]

    def step(
        self, words: np.ndarray, memory: np.ndarray, state: np.ndarray, lengths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits of the symbols after these, and the state."""
        results = self.decoder(words=words, memory=memory, state=state, lengths=lengths)
        return results["logits"], results["state"]


def pad_rows(rows: Sequence[list[int]], steps: int) -> np.ndarray:
    """Rows of numbers as (steps, N)."""
    return np.array([row + [PAD] * (steps - len(row)) for row in rows]).T


def check_sentences(values: Any, name: str) -> list[str]:
    """Return sentences as a list.

    Raises:
        InputError: names what is none.
    """
    sentences = as_items(values, name, "sentences")
    for number, sentence in enumerate(sentences, 1):
        if not isinstance(sentence, str):
            what = "a missing value" if is_missing(sentence) else type(sentence).__name__
            raise InputError(f"{name}, sentence {number}: expected text, got {what}")
    return sentences
