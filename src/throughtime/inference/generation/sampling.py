"""Drawing what comes next from logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from throughtime._core.errors import InputError
from throughtime._core.param_checks import check_int, check_non_negative
from throughtime.inference.probabilities import sigmoid

if TYPE_CHECKING:
    from jaxtyping import Float


@dataclass(frozen=True)
class Sampling:
    """Options of sampling.

    Attributes:
        temperature: divides the logits: below 1 more cautious, above 1 more surprising, 0 always takes the likeliest.
        top_k: only the k likeliest symbols; on a piano, at most k notes at a time.
        top_p: only the likeliest symbols that together reach this probability. A key of a piano, which sounds or not,
            is left to chance only where its likelier outcome does not reach it alone. Source: Holtzman et al. 2020,
            The Curious Case of Neural Text Degeneration.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        check_non_negative("temperature", self.temperature)
        if self.top_k is not None:
            check_int("top_k", self.top_k)
        if self.top_p is not None and not (isinstance(self.top_p, int | float | np.number) and 0 < self.top_p <= 1):
            raise InputError(f"top_p: expected a number above 0 and at most 1, got {self.top_p!r}")

    def sample_symbol(self, logits: Float[np.ndarray, "V"], random: np.random.Generator) -> int:
        """Draw one symbol."""
        if not self.temperature:
            return int(logits.argmax())
        some = self.top_k is not None or self.top_p is not None
        order = np.argsort(-logits, kind="stable")[: self.top_k] if some else np.arange(len(logits))
        shares = np.exp((logits[order] - logits.max()).astype(np.float64) / self.temperature)
        if self.top_p is not None:
            before = shares.cumsum() - shares
            shares = np.where(before < self.top_p * shares.sum(), shares, 0.0)
        sums = shares.cumsum()
        return int(order[np.searchsorted(sums[:-1], random.random() * sums[-1], side="right")])

    def sample_keys(self, logits: Float[np.ndarray, "V"], random: np.random.Generator) -> Float[np.ndarray, "V"]:
        """Draw each of V keys: 1 where it sounds."""
        chance = random.random(logits.shape)
        sounds = sure = logits > 0
        if self.temperature:
            likely = sigmoid(logits.astype(np.float64) / self.temperature)
            sounds = chance < likely
            if self.top_p is not None:
                sounds = np.where(np.maximum(likely, 1 - likely) >= self.top_p, sure, sounds)
        if self.top_k is not None and sounds.sum() > self.top_k:
            kept = np.argsort(np.where(sounds, -logits, np.inf), kind="stable")[: self.top_k]
            sounds = np.isin(np.arange(len(sounds)), kept)
        return sounds.astype(np.float32)
