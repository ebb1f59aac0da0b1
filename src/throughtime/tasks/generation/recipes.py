"""Default hyperparameters for each unit of the data."""

from __future__ import annotations

from dataclasses import dataclass

from throughtime.inference.generation.steps import PIANO_ROLL


@dataclass(frozen=True)
class Recipe:
    """Sizes and rates that suit a kind of material.

    Attributes:
        hidden_size: H.
        embedding_size: of a symbol; 0 where a step is a vector already.
        dropout: of what the output reads, and the recurrent layers above the first.
        input_dropout: of what the first recurrent layer reads.
        steps: of a window of truncated backpropagation.
        batch_size: streams or pieces that are trained on at once.
        learning_rate: at the top of its cycle.
        weight_decay: of AdamW.
        ema_decay: of the averaged weights at each update.
        transposition: semitones by which a piece is moved at most, where there are few.
        augment_below_steps: steps beyond which there are enough pieces in every key.
        epochs: for material of `reference_steps` steps; more for less.
        reference_steps: steps.
    """

    hidden_size: int
    embedding_size: int
    dropout: float
    input_dropout: float
    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    ema_decay: float
    transposition: int
    augment_below_steps: int
    epochs: int
    reference_steps: int

    def transposition_for(self, steps: int) -> int:
        """Semitones by which pieces of so many steps are moved at most."""
        return self.transposition if steps <= self.augment_below_steps else 0

    def epochs_for(self, steps: int) -> int:
        """Return the passes over so many steps: the fewer there are, the more often they are read."""
        return max(round(self.epochs * (self.reference_steps / max(steps, 1)) ** 0.55), 1)


_TEXT = Recipe(
    hidden_size=512,
    embedding_size=64,
    dropout=0.3,
    input_dropout=0.1,
    steps=64,
    batch_size=32,
    learning_rate=3e-3,
    weight_decay=0.01,
    ema_decay=0.998,
    transposition=0,
    augment_below_steps=0,
    epochs=9,
    reference_steps=1_000_000,
)
_WORDS = Recipe(
    hidden_size=256,
    embedding_size=256,
    dropout=0.5,
    input_dropout=0.5,
    steps=35,
    batch_size=20,
    learning_rate=2e-3,
    weight_decay=0.01,
    ema_decay=0.998,
    transposition=0,
    augment_below_steps=0,
    epochs=12,
    reference_steps=900_000,
)
_MUSIC = Recipe(
    hidden_size=256,
    embedding_size=0,
    dropout=0.3,
    input_dropout=0.1,
    steps=32,
    batch_size=8,
    learning_rate=4e-3,
    weight_decay=0.1,
    ema_decay=0.998,
    transposition=5,
    augment_below_steps=50_000,
    epochs=180,
    reference_steps=13_800,
)
RECIPES = {PIANO_ROLL: _MUSIC, "characters": _TEXT, "bytes": _TEXT, "words": _WORDS}
"""By the unit of the material."""
