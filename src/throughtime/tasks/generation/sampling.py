"""Drawing what comes next: one step at a time, each at the same cost, however much lies before it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from throughtime._errors import InputError
from throughtime.tasks.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Float
    from torch import Tensor

    from throughtime.tasks.generation.materials import Symbols
    from throughtime.tasks.generation.network import GeneratorNetwork


@dataclass(frozen=True)
class Sampling:
    """How freely to draw.

    Attributes:
        temperature: divides the logits: below 1 bolder, above 1 more surprising, 0 always takes the likeliest.
        top_k: only the k likeliest symbols; on a piano, at most k notes at a time.
        top_p: only the likeliest symbols that together reach this probability. A key of a piano, which sounds or not,
            is left to chance only where its likelier outcome does not reach it alone. Source: Holtzman et al. 2020,
            The Curious Case of Neural Text Degeneration.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.temperature, int | float) and 0 <= self.temperature < math.inf):
            raise InputError(f"temperature: expected a number of 0 or more, got {self.temperature!r}")
        if self.top_k is not None and (not isinstance(self.top_k, int) or self.top_k < 1):
            raise InputError(f"top_k: expected a whole number of 1 or more, got {self.top_k!r}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise InputError(f"top_p: expected a number above 0 and at most 1, got {self.top_p!r}")

    def symbol(self, logits: Float[Tensor, "V"], generator: torch.Generator) -> int:
        """Draw one symbol."""
        if not self.temperature:
            return int(logits.argmax())
        order = logits.argsort(descending=True, stable=True)[: self.top_k]
        probabilities = (logits[order] / self.temperature).softmax(0)
        if self.top_p is not None:
            before = probabilities.cumsum(0) - probabilities
            probabilities = torch.where(before < self.top_p, probabilities, 0.0)
        return int(order[torch.multinomial(probabilities, 1, generator=generator)])

    def keys(self, logits: Float[Tensor, "V"], generator: torch.Generator) -> Float[Tensor, "V"]:
        """Draw each of V keys: 1 where it sounds."""
        chance = torch.rand(logits.shape, generator=generator)
        sure = (logits > 0).float()
        if not self.temperature:
            sounds = sure
        else:
            likely = (logits / self.temperature).sigmoid()
            sounds = (chance < likely).float()
            if self.top_p is not None:
                sounds = torch.where(torch.maximum(likely, 1 - likely) >= self.top_p, sure, sounds)
        if self.top_k is not None and sounds.sum() > self.top_k:
            kept = torch.where(sounds > 0, logits, -math.inf).topk(self.top_k).indices
            sounds = torch.zeros_like(sounds).index_fill_(0, kept, 1.0)
        return sounds


def draw(
    network: GeneratorNetwork, symbols: Symbols, prompt: Tensor, sampling: Sampling, generator: torch.Generator
) -> Iterator[Any]:
    """Draw without end what follows a prompt (T, 1, …). Only the network's state is carried from step to step."""
    x, state = prompt, None
    while True:
        with torch.no_grad(), one_thread():
            logits, state = network(x, state)
            drawn = symbols.draw(logits[-1, 0], sampling, generator)
            x = symbols.read(drawn)
        yield drawn
