"""Beam search: many sentences at once, for each the likeliest few beginnings, weighed by their length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from throughtime.data.text.subwords import BEGIN, END, PAD, UNKNOWN

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

    from throughtime.tasks.translation.network import TranslatorNetwork

_NEGATIVE_INFINITY = float("-inf")
_LENGTH_FACTOR, _LENGTH_MARGIN = 2, 10  # a translation has at most 2 T + 10 symbols


@torch.no_grad()
def beam_search(
    network: TranslatorNetwork, source: Int[Tensor, "T N"], *, beams: int, length_penalty: float
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
    memory, state, lengths = network.encode(source)
    rows, limits = source.shape[1], _LENGTH_FACTOR * lengths + _LENGTH_MARGIN
    translations: list[list[int]] = [[] for _ in range(rows)]
    is_open = torch.ones(rows, dtype=torch.bool)
    spread = torch.arange(rows).repeat_interleave(beams)
    memory, lengths = memory[:, spread], lengths[spread]
    state = _select_rows(state, spread)
    words = torch.full((1, rows * beams), BEGIN)
    total = torch.full((rows, beams), _NEGATIVE_INFINITY)
    total[:, 0] = 0.0  # all beams are equal at first: one continues
    sizes = torch.zeros(rows, beams)
    ended = torch.zeros(rows, beams, dtype=torch.bool)
    for step in range(1, int(limits.max()) + 1):
        h, state, _ = network.decode(words[-1:], memory, state, lengths)
        logits = network.layers.decoder.output(h[0])
        logits[:, [PAD, UNKNOWN, BEGIN]] = _NEGATIVE_INFINITY
        likely = logits.log_softmax(-1).view(rows, beams, -1)
        # A translation that has ended continues with padding, at no cost.
        likely = likely.masked_fill(ended.unsqueeze(-1), _NEGATIVE_INFINITY)
        likely[..., PAD] = likely[..., PAD].masked_fill(ended, 0.0)
        totals = total.unsqueeze(-1) + likely
        longer = sizes + ~ended
        ranks = totals / longer.unsqueeze(-1) ** length_penalty
        chosen = ranks.flatten(1).topk(beams).indices
        width = likely.shape[-1]
        parent, word = chosen // width, chosen % width
        total = totals.flatten(1).gather(1, chosen)
        sizes, ended = longer.gather(1, parent), ended.gather(1, parent) | (word == END)
        order = (parent + torch.arange(rows).unsqueeze(1) * beams).flatten()
        words = torch.cat([words[:, order], word.view(1, -1)])
        state = _select_rows(state, order)
        ranked = total / sizes**length_penalty
        best = ranked.masked_fill(~ended, _NEGATIVE_INFINITY).amax(1)
        hope = (total / limits.unsqueeze(1) ** length_penalty).masked_fill(ended, _NEGATIVE_INFINITY).amax(1)
        done = is_open & ((best >= hope) | (step >= limits))
        for row in done.nonzero().flatten().tolist():
            translations[row] = _cut_at_end(words[1:, row * beams + int(ranked[row].argmax())].tolist())
        is_open &= ~done
        if not is_open.any():
            break
    return translations


def _select_rows(state: Any, rows: Tensor) -> Any:
    return tuple(s[:, rows] for s in state) if isinstance(state, tuple) else state[:, rows]


def _cut_at_end(row: list[int]) -> list[int]:
    return row[: row.index(END)] if END in row else row
