"""Beam search: many sentences at once, for each the likeliest few beginnings, weighed by their length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from throughtime.data.text.special_symbols import BEGIN, END, PAD, UNKNOWN

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_LENGTH_FACTOR, _LENGTH_MARGIN = 2, 10  # a translation has at most 2 T + 10 symbols


class TranslationSteps(Protocol):
    """A translating network, step by step. States are one array (S, L, N, H)."""

    def start(
        self, source: Int[np.ndarray, "T N"], lengths: Int[np.ndarray, "N"]
    ) -> tuple[Float[np.ndarray, "T N M"], Float[np.ndarray, "S L N H"]]:
        """Return the encoder's outputs, and the decoder's first state."""
        ...

    def step(
        self,
        words: Int[np.ndarray, "N"],
        memory: Float[np.ndarray, "T N M"],
        state: Float[np.ndarray, "S L N H"],
        lengths: Int[np.ndarray, "N"],
    ) -> tuple[Float[np.ndarray, "N V"], Float[np.ndarray, "S L N H"]]:
        """Return the logits of the symbols after these, and the state."""
        ...


def beam_search(
    network: TranslationSteps, source: Int[np.ndarray, "T N"], *, beams: int, length_penalty: float
) -> list[list[int]]:
    """Return the best translation found for each source, without its end.

    Args:
        network: in evaluation.
        source: padded.
        beams: beginnings of each sentence that are kept.
        length_penalty: a beginning of n symbols is ranked by its log-likelihood / n ** length_penalty.

    A sentence is done when none of its beginnings can become better than the best that has ended, or at 2 T + 10
    symbols, whatever else is in the batch.
    """
    lengths = (source != PAD).sum(0)
    memory, state = network.start(source[: lengths.max()], lengths)
    rows, limits = source.shape[1], _LENGTH_FACTOR * lengths + _LENGTH_MARGIN
    translations: list[list[int]] = [[] for _ in range(rows)]
    is_open = np.ones(rows, dtype=bool)
    spread = np.arange(rows).repeat(beams)
    memory, state, lengths = memory.take(spread, 1), state.take(spread, 2), lengths[spread]
    words = np.full((1, rows * beams), BEGIN)
    total = np.full((rows, beams), -np.inf, np.float32)
    total[:, 0] = 0.0  # all beams are equal at first: one continues
    sizes = np.zeros((rows, beams), np.float32)
    ended = np.zeros((rows, beams), dtype=bool)
    for step in range(1, limits.max() + 1):
        logits, state = network.step(words[-1], memory, state, lengths)
        likely, candidates = _likeliest(logits, ended, beams)
        totals = total[..., None] + likely
        longer = sizes + ~ended
        ranks = (totals / longer[..., None] ** length_penalty).reshape(rows, -1)
        chosen = np.argsort(-ranks, axis=1, kind="stable")[:, :beams]
        parent, word = chosen // beams, np.take_along_axis(candidates.reshape(rows, -1), chosen, 1)
        total = np.take_along_axis(totals.reshape(rows, -1), chosen, 1)
        sizes = np.take_along_axis(longer, parent, 1)
        ended = np.take_along_axis(ended, parent, 1) | (word == END)
        order = (parent + np.arange(rows)[:, None] * beams).ravel()
        words = np.concatenate([words[:, order], word.reshape(1, -1)])
        state = state.take(order, 2)
        ranked = total / sizes**length_penalty
        best = np.where(ended, ranked, -np.inf).max(1)
        hope = np.where(ended, -np.inf, total / limits[:, None].astype(np.float32) ** length_penalty).max(1)
        done = is_open & ((best >= hope) | (step >= limits))
        for row in np.flatnonzero(done):
            translations[row] = _cut_at_end(words[1:, row * beams + ranked[row].argmax()].tolist())
        is_open &= ~done
        if not is_open.any():
            break
    return translations


def _likeliest(
    logits: Float[np.ndarray, "N*K V"], ended: np.ndarray, count: int
) -> tuple[Float[np.ndarray, "N K C"], Int[np.ndarray, "N K C"]]:
    """Return the log-likelihoods of the likeliest symbols after each beginning, and the symbols, in their order.

    Args:
        logits: of all beginnings of all sentences.
        ended: (N, K), beginnings that are whole: they continue with padding, at no cost.
        count: of symbols that are returned.
    """
    logits = logits.copy()
    logits[:, [PAD, UNKNOWN, BEGIN]] = -np.inf
    candidates = np.sort(np.argpartition(logits, -count, axis=1)[:, -count:], axis=1)
    highest = logits.max(1, keepdims=True)
    norm = highest + np.log(np.exp(logits - highest).sum(1, keepdims=True))
    likely = np.take_along_axis(logits, candidates, 1) - norm
    likely, candidates = (array.reshape(*ended.shape, count) for array in (likely, candidates))
    likely[ended], candidates[ended, 0] = -np.inf, PAD
    likely[ended, 0] = 0.0
    return likely, candidates


def _cut_at_end(row: list[int]) -> list[int]:
    return row[: row.index(END)] if END in row else row
