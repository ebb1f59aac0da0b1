"""What is learned from texts and from music: batches of their steps, scores, and fingerprints.

The estimator treats both alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch.nn import functional

from throughtime._core.errors import InputError
from throughtime.data.music.piano_roll import as_rolls
from throughtime.data.text.symbols import check_text
from throughtime.inference.generation.steps import PianoRollSteps, StepCodec, TextSteps
from throughtime.tasks.fingerprints import Fingerprints, Overlap
from throughtime.tasks.generation.batches import ChunkBatches, ParallelStreams, PieceBatches
from throughtime.tasks.generation.network import key_loss, symbol_loss
from throughtime.tasks.generation.trainer import TrainingData

if TYPE_CHECKING:
    from throughtime.tasks.generation.network import GeneratorNetwork
    from throughtime.tasks.generation.recipes import Recipe

_HELD_OUT = 0.1  # share of the material that validates, where none is given
_MIN_PIECES_TO_HOLD_OUT = 10  # pieces, below which none is held out
_EVAL_BATCH_SIZE = 32  # pieces or streams that are scored together
_CONTEXT_STEPS = 256  # symbols that a stream reads before it is scored
_CHUNK = 64  # steps of a stream between which only the state is kept


@dataclass(frozen=True)
class GenerationEvaluation:
    """Scores of the predictions of a network.

    Attributes:
        steps: that were predicted.
        nats: negative log-likelihood of a step.
        perplexity: exp of that: the number of equally likely symbols of the same uncertainty; None for music.
        bits_per_character: of a text, whatever its symbols are; None for music.
        overlap: which characters or pieces given were learned from; None where that was not looked at.
    """

    steps: int
    nats: float
    perplexity: float | None = None
    bits_per_character: float | None = None
    overlap: Overlap | None = None

    def qualify(self, noun: str) -> str:
        """Name what is scored: unseen only where it was not learned from."""
        return noun if self.overlap is None else self.overlap.qualify(noun)


class TrainingCodec(StepCodec, Protocol):
    """Encoding of the steps of a text or of a piece, and what is learned from them."""

    def split(self, data: Any, validation: Any, seed: int) -> tuple[Any, Any, int]:
        """Return what is learned from, what validates (or None), and the steps of the former."""
        ...

    def training_data(self, train: Any, validation: Any, recipe: Recipe) -> TrainingData:
        """Return what the network is trained with."""
        ...

    def score(self, network: GeneratorNetwork, data: Any) -> GenerationEvaluation:
        """Score the predictions of each step of data."""
        ...

    def fingerprints(self, parts: list[Any]) -> Fingerprints:
        """Hash the data that are learned from."""
        ...

    def overlap(self, fingerprints: Fingerprints, data: Any) -> Overlap:
        """Find what was learned from in data."""
        ...


class TextCodec(TextSteps):
    """Characters, bytes or words, and what is learned from a text of them."""

    def split(self, data: str, validation: str | None, seed: int) -> tuple[np.ndarray, np.ndarray | None, int]:
        """Numbers of what is learned from and of what validates, by default the last tenth."""
        numbers = self.vocabulary.encode(check_text(data))
        if validation is not None:
            return numbers, self._encode_at_least_two(validation), len(numbers)
        held_out = int(len(numbers) * _HELD_OUT)
        if held_out < 2:
            return numbers, None, len(numbers)
        return numbers[:-held_out], numbers[-held_out:], len(numbers) - held_out

    def training_data(self, train: np.ndarray, validation: np.ndarray | None, recipe: Recipe) -> TrainingData:
        """Streams side by side."""
        streams = ParallelStreams(train, recipe.batch_size, recipe.steps)
        counts = np.bincount(train, minlength=self.width) + 1.0
        initial_logits = torch.from_numpy(np.log(counts / counts.sum()))
        held_out = None if validation is None else ChunkBatches(validation)
        return TrainingData(streams, streams.updates, held_out, symbol_loss, initial_logits)

    @torch.no_grad()
    def score(self, network: GeneratorNetwork, data: str) -> GenerationEvaluation:
        """Score every symbol but the first. The text is read in pieces, each after the symbols that precede it."""
        numbers = torch.from_numpy(self._encode_at_least_two(data))
        steps = len(numbers) - 1
        streams = max(1, min(_EVAL_BATCH_SIZE, steps // (2 * _CONTEXT_STEPS)))
        length = -(-steps // streams)
        # The last pieces may reach beyond the end: they are moved back, and what was scored before is skipped.
        starts = [min(i * length, steps - length) for i in range(streams)]
        leads = [min(_CONTEXT_STEPS, start) for start in starts]
        nats, state = 0.0, None
        rows = torch.tensor([[start - max(leads) + t for start in starts] for t in range(max(leads) + length)])
        x, y = numbers[rows.clamp(min=0)], numbers[(rows + 1).clamp(min=0)]
        is_scored = torch.zeros_like(rows, dtype=torch.bool)
        for i in range(streams):
            is_scored[max(leads) + i * length - starts[i] :, i] = True
        for x_part, y_part, mask in zip(x.split(_CHUNK), y.split(_CHUNK), is_scored.split(_CHUNK), strict=True):
            logits, state = network(x_part, state)
            if mask.any():
                nats += float(functional.cross_entropy(logits[mask], y_part[mask], reduction="sum"))
        per_step = nats / steps
        bits = nats / math.log(2) / (len(data) * steps / len(numbers))  # the first symbol is not scored
        return GenerationEvaluation(steps, per_step, math.exp(min(per_step, 700.0)), bits)

    def fingerprints(self, parts: list[str]) -> Fingerprints:
        """Hash windows of texts."""
        return Fingerprints.from_texts(parts)

    def overlap(self, fingerprints: Fingerprints, data: str) -> Overlap:
        """Find the characters that were learned from."""
        return fingerprints.overlap_of_text(check_text(data))

    def _encode_at_least_two(self, text: str) -> np.ndarray:
        numbers = self.vocabulary.encode(check_text(text))
        if len(numbers) < 2:
            raise InputError(f"text: expected two {self.vocabulary.unit} or more, got {text!r}")
        return numbers


class PianoRollCodec(PianoRollSteps):
    """The keys of a piano, and what is learned from pieces for it."""

    def split(self, data: Any, validation: Any, seed: int) -> tuple[list[np.ndarray], list[np.ndarray] | None, int]:
        """Return rolls of what is learned from and of what validates, by default a tenth of the pieces."""
        rolls = as_rolls(data)
        held_out = None if validation is None else as_rolls(validation)
        if held_out is None and len(rolls) >= _MIN_PIECES_TO_HOLD_OUT:
            order = np.random.default_rng(seed).permutation(len(rolls))
            count = max(round(len(rolls) * _HELD_OUT), 1)
            held_out, rolls = [rolls[i] for i in order[:count]], [rolls[i] for i in order[count:]]
        return rolls, held_out, sum(map(len, rolls))

    def training_data(
        self, train: list[np.ndarray], validation: list[np.ndarray] | None, recipe: Recipe
    ) -> TrainingData:
        """Whole pieces, where there are few of them each time in another key."""
        steps = sum(map(len, train))
        most = recipe.transposition_for(steps)
        pieces = PieceBatches(train, recipe.batch_size, transposition=most, shuffle=True)
        held_out = None if validation is None else PieceBatches(validation, _EVAL_BATCH_SIZE, shuffle=False)
        counts = np.concatenate(train).sum(0) + 1.0
        moves = np.ones(2 * most + 1) / (2 * most + 1)
        share = np.convolve(counts, moves, mode="same") / (steps + 2.0)
        initial_logits = torch.from_numpy(np.log(share / (1 - share).clip(min=1e-3)))
        return TrainingData(pieces, pieces.updates(recipe.steps), held_out, key_loss, initial_logits)

    @torch.no_grad()
    def score(self, network: GeneratorNetwork, data: Any) -> GenerationEvaluation:
        """Every step but the first of each piece, as the literature does."""
        rolls = as_rolls(data)
        steps, nats = sum(map(len, rolls)) - len(rolls), 0.0
        if not steps:
            raise InputError("pieces: expected some of two steps or more, got none: there is nothing to predict")
        for x, y, lengths, _ in PieceBatches(rolls, _EVAL_BATCH_SIZE, shuffle=False):
            assert lengths is not None
            logits, _ = network(x, lengths=lengths)
            mask = torch.arange(len(x)).unsqueeze(1) < lengths
            mask[0] = False
            nats += float(functional.binary_cross_entropy_with_logits(logits[mask], y[mask], reduction="sum").double())
        return GenerationEvaluation(steps, nats / steps)

    def fingerprints(self, parts: list[Any]) -> Fingerprints:
        """Hash pieces."""
        return Fingerprints.from_sequences(roll for pieces in parts for roll in as_rolls(pieces))

    def overlap(self, fingerprints: Fingerprints, data: Any) -> Overlap:
        """Find the pieces that were learned from."""
        return fingerprints.overlap(as_rolls(data), "pieces")
