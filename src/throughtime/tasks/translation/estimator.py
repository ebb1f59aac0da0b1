"""The translator: it learns from pairs of sentences, and translates new ones."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import torch

from throughtime._core.dataclass_json import dataclass_from_json
from throughtime._core.errors import InputError, requires
from throughtime._core.param_checks import check_choice, check_fraction, check_int
from throughtime.data.text.special_symbols import BEGIN, END
from throughtime.data.text.subwords import SubwordSettings, SubwordVocabulary
from throughtime.inference.translation.translator import TranslatorModel, check_sentences
from throughtime.nn.attention import ATTENTIONS
from throughtime.tasks.base import AbstractEstimator, LearnedState, held_out_notes
from throughtime.tasks.fingerprints import Fingerprints, Overlap, duplicate_notes
from throughtime.tasks.saving import network_graphs
from throughtime.tasks.schedules import PRESETS, parse_budget
from throughtime.tasks.translation.network import NetworkSteps, TranslatorNetwork, TranslatorSizes
from throughtime.tasks.translation.trainer import PairBatches, TeacherForcing, train_translator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    from throughtime.io.saved_model import SavedModel
    from throughtime.tasks.trainer import Callback

    Pairs = tuple[list[str], list[str]]

_HELD_OUT = 0.05  # share of the pairs that validates, where none are given
_MIN_PAIRS_TO_HOLD_OUT = 20  # pairs, below which none are held out
_EPOCHS, _REFERENCE_PAIRS = 12, 29_000  # passes over so many pairs; more for fewer
_VOCABULARY = SubwordSettings()


class Alignment(NamedTuple):
    """Which part of a source each part of a translation looked at.

    Attributes:
        source: T subwords.
        target: F subwords, the last of which is the end.
        weights: (F, T), each row of which adds up to one.
    """

    source: list[str]
    target: list[str]
    weights: np.ndarray


class SequenceTranslator(AbstractEstimator):
    """Translate sequences into others of another length, by an encoder and a decoder with attention.

    Args:
        cell: a name in `throughtime.nn.LAYERS`, such as 'gru' or 'lstm'.
        hidden_size: H of the decoder; the encoder has half as many units in each direction, embeddings half as many
            features.
        num_layers: L of both.
        attention: 'general', 'dot', 'additive', or None for a decoder that knows the encoder's final state alone.
        vocabulary: how the subwords of both languages are learned.
        dropout: of embeddings, between layers, and of what the output reads.
        label_smoothing: share of the probability that training spreads over all symbols.
        teacher_forcing: how often the decoder reads the true symbol before in training.
        batch_size: pairs that are trained on at once.
        preset: work put into learning: 'fast', 'balanced' or 'best'.
        epochs: passes over the data; None decides by the preset and the number of pairs.
        budget: of time for learning: seconds, or such as '5m'; None for as long as it takes.
        random_state: makes all of it reproducible.

    Attributes:
        source_: the vocabulary of the sources.
        target_: the vocabulary of the targets.
        notes_: what was found in the data and decided about it, in plain sentences.
        history_: of the training.
        network_: the torch module.
    """

    task = "translate"
    network_type = TranslatorNetwork
    network_params = ("cell", "hidden_size", "num_layers", "attention", "vocabulary")
    params_from_json: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "vocabulary": partial(dataclass_from_json, SubwordSettings),
        "teacher_forcing": partial(dataclass_from_json, TeacherForcing),
    }

    source_: SubwordVocabulary
    target_: SubwordVocabulary
    fingerprints_: Fingerprints
    network_: TranslatorNetwork

    def __init__(
        self,
        *,
        cell: str = "lstm",
        hidden_size: int = 512,
        num_layers: int = 1,
        attention: str | None = "general",
        vocabulary: SubwordSettings = _VOCABULARY,
        dropout: float = 0.3,
        label_smoothing: float = 0.1,
        teacher_forcing: TeacherForcing = TeacherForcing(),  # noqa: B008 - a frozen value
        batch_size: int = 64,
        preset: str = "balanced",
        epochs: int | None = None,
        budget: float | str | None = None,
        random_state: int = 0,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.attention = attention
        self.vocabulary = vocabulary
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.teacher_forcing = teacher_forcing
        self.batch_size = batch_size
        self.preset = preset
        self.epochs = epochs
        self.budget = budget
        self.random_state = random_state

    def fit(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        validation: tuple[Sequence[str], Sequence[str]] | None = None,
        *,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from pairs, and keep the weights of the epoch that foresaw the validation pairs best.

        Args:
            sources: sentences.
            targets: their translations, in the same order.
            validation: sources and targets; by default a twentieth of the pairs.
            callbacks: are called with the progress.

        Raises:
            InputError: for settings or data that cannot be used.
            Interrupted: on Ctrl-C; the translator is usable and holds the best so far.
        """
        self.check_params()
        seed, seconds = self.seed(), parse_budget(self.budget)
        train, held_out = self._split(_check_pairs(sources, targets), validation, seed)
        source, target = (SubwordVocabulary.learn(side, self.vocabulary) for side in train)
        network = self._new_network(self._network_sizes(source, target), seed, dropout=self.dropout)
        count = len(train[0])
        notes = [
            f"{count:,} pairs to learn from; {len(source):,} subwords of the sources, {len(target):,} of the targets.",
            *held_out_notes(0 if validation is not None else len(held_out[0]), "other pairs"),
            *_identical_notes(train),
            *duplicate_notes(train[0], held_out[0], "sources"),
        ]
        learned = {
            "source_": source,
            "target_": target,
            "fingerprints_": Fingerprints.from_sequences([*train[0], *held_out[0]]),
        }

        def batches(sides: Pairs, *, shuffle: bool) -> PairBatches:
            return PairBatches(source.encode(sides[0]), target.encode(sides[1]), int(self.batch_size), shuffle=shuffle)

        epochs = max(round(PRESETS[self.preset] * _EPOCHS * (_REFERENCE_PAIRS / count) ** 0.5), 1)
        options = {
            "epochs": self.epochs or epochs,
            "seconds": seconds,
            "label_smoothing": self.label_smoothing,
            "teacher_forcing": self.teacher_forcing,
        }
        validation_batches = batches(held_out, shuffle=False) if held_out[0] else None
        training_batches = batches(train, shuffle=True)
        return self._fit(
            lambda: train_translator(
                network, training_batches, validation_batches, **options, callbacks=callbacks, seed=seed
            ),
            lambda history: self._set_fitted(network, history, notes, **learned),
        )

    def predict(self, sources: Sequence[str], *, beams: int = 5, length_penalty: float = 1.0) -> list[str]:
        """Translate sentences.

        Args:
            sources: sentences; an empty one gives an empty one.
            beams: beginnings of each translation that are kept; 1 always takes the likeliest next subword.
            length_penalty: translations of n subwords are compared by log-likelihood / n ** length_penalty: 0 favours
                short ones.

        Raises:
            InputError: for anything but sentences.
        """
        self._check_fitted()
        return self._model().predict(sources, beams=beams, length_penalty=length_penalty)

    def score(self, sources: Sequence[str], targets: Sequence[str], *, beams: int = 5) -> float:
        """BLEU of the translations, 0 to 100, by sacrebleu; without regard to capitals if the vocabulary has none."""
        sources, targets = _check_pairs(sources, targets)
        return self.bleu(self.predict(sources, beams=beams), targets)

    def overlap(self, sources: Sequence[str]) -> Overlap:
        """Which sources were part of the training data, also to choose the weights by."""
        self._check_fitted()
        return self.fingerprints_.overlap(check_sentences(sources, "sources"), "pairs")

    def bleu(self, translations: Sequence[str], targets: Sequence[str]) -> float:
        """BLEU of translations that were made before; see `score`."""
        with requires("text", "BLEU"):
            import sacrebleu

        return sacrebleu.corpus_bleu(list(translations), [list(targets)], lowercase=self.vocabulary.lowercase).score

    def align(self, source: str, target: str | None = None) -> Alignment:
        """Where the decoder looked when it wrote a translation: a given one, or its own.

        Raises:
            InputError: for a translator without attention, or an empty sentence.
        """
        self._check_fitted()
        if self.attention is None:
            raise InputError("attention: expected a translator with attention, this one has none to show")
        written = self.predict([source])[0] if target is None else target
        (numbers,), (target_numbers,) = (
            self.source_.encode(check_sentences([source], "source")),
            self.target_.encode([written]),
        )
        if not numbers:
            raise InputError("source: expected a sentence, got an empty one")
        with torch.no_grad():
            memory, state, lengths = self.network_.encode(torch.tensor([numbers]).T)
            inputs = torch.tensor([[BEGIN, *target_numbers]]).T
            _, _, weights = self.network_.decode(inputs, memory, state, lengths)
        assert weights is not None
        return Alignment(self.source_.pieces(numbers), self.target_.pieces([*target_numbers, END]), weights[0].numpy())

    def plot_alignment(self, source: str, target: str | None = None) -> Figure:
        """Plot the result of `align`."""
        from throughtime.tasks.translation.plots import plot_alignment

        return plot_alignment(self.align(source, target))

    def _check_task_params(self) -> None:
        check_choice("preset", self.preset, PRESETS)
        if self.attention is not None:
            check_choice("attention", self.attention, ATTENTIONS)
        for name in ("hidden_size", "num_layers", "batch_size"):
            check_int(name, getattr(self, name))
        if self.epochs is not None:
            check_int("epochs", self.epochs)
        if self.hidden_size % 2:
            raise InputError(f"hidden_size: expected an even number, half for each direction, got {self.hidden_size}")
        for name in ("dropout", "label_smoothing"):
            check_fraction(name, getattr(self, name))
        if not isinstance(self.teacher_forcing, TeacherForcing):
            raise InputError(f"teacher_forcing: expected TeacherForcing(start, end), got {self.teacher_forcing!r}")
        if not (0 <= self.teacher_forcing.start <= 1 and 0 <= self.teacher_forcing.end <= 1):
            raise InputError(f"teacher_forcing: expected ratios from 0 to 1, got {self.teacher_forcing}")
        if not isinstance(self.vocabulary, SubwordSettings):
            raise InputError(f"vocabulary: expected SubwordSettings(size, …), got {self.vocabulary!r}")

    def _network_sizes(self, source: SubwordVocabulary, target: SubwordVocabulary) -> TranslatorSizes:
        return TranslatorSizes(
            source_size=len(source),
            target_size=len(target),
            cell=self.cell,
            hidden_size=int(self.hidden_size),
            num_layers=int(self.num_layers),
            attention=self.attention,
        )

    def _model(self) -> TranslatorModel:
        sizes = self.network_.sizes
        return TranslatorModel(
            self.source_, self.target_, NetworkSteps(self.network_), (sizes.source_size, sizes.target_size)
        )

    def _learned_state(self) -> LearnedState:
        config = {
            "sizes": asdict(self.network_.sizes),
            "source": self.source_.content,
            "target": self.target_.content,
            "graphs": network_graphs(self.network_),
        }
        return LearnedState(config, self.fingerprints_.to_tensors())

    def _restore(self, saved: SavedModel) -> tuple[TranslatorNetwork, dict[str, Any]]:
        source, target = (SubwordVocabulary(saved.config[side]) for side in ("source", "target"))
        source.check()
        target.check()
        network = self._restore_network(saved, self._network_sizes(source, target), dropout=self.dropout)
        fingerprints = Fingerprints.from_tensors(saved.tensors)
        return network, {"source_": source, "target_": target, "fingerprints_": fingerprints}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # but lists of texts
        tags.input_tags.string = True
        tags.target_tags.required = True
        return tags

    def _split(
        self, pairs: Pairs, validation: tuple[Sequence[str], Sequence[str]] | None, seed: int
    ) -> tuple[Pairs, Pairs]:
        """Return the pairs to learn from, and those to choose the weights by."""
        if validation is not None:
            return pairs, _check_pairs(*validation)
        count = len(pairs[0])
        if count < _MIN_PAIRS_TO_HOLD_OUT:
            return pairs, ([], [])
        order = np.random.default_rng(seed).permutation(count)
        cut = max(round(count * _HELD_OUT), 1)
        held_out, train = (
            ([pairs[0][i] for i in rows], [pairs[1][i] for i in rows]) for rows in np.split(order, [cut])
        )
        return train, held_out


def _check_pairs(sources: Any, targets: Any) -> tuple[list[str], list[str]]:
    """Sides of pairs, both of the same length and none empty."""
    sides = check_sentences(sources, "sources"), check_sentences(targets, "targets")
    if len(sides[0]) != len(sides[1]):
        raise InputError(
            f"targets: expected a translation for each of {len(sides[0])} sources, got {len(sides[1])}; "
            "is a line missing?"
        )
    if not sides[0]:
        raise InputError("sources: expected some sentences, got none")
    for name, side in zip(("sources", "targets"), sides, strict=True):
        for number, sentence in enumerate(side, 1):
            if not sentence.strip():
                raise InputError(f"{name}, sentence {number}: it is empty; leave the pair out")
    return sides


def _identical_notes(pairs: Pairs) -> list[str]:
    identical = sum(source == target for source, target in zip(*pairs, strict=True))
    if 2 * identical <= len(pairs[0]):
        return []
    return [f"{identical:,} pairs have the same text on both sides: are these two languages?"]
