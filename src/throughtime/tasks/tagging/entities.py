"""Entities in sentences whose words are tagged B-type (begins one), I-type (inside one) and O (outside of any).

An entity is correct where its first word, its last word and its type are all correct, as in the CoNLL shared tasks.
An I- that continues nothing begins an entity, as `conlleval` has it. Written here because the usual library for it,
seqeval, has had no release since 2020.

Source: Tjong Kim Sang and De Meulder 2003, Introduction to the CoNLL-2003 Shared Task.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Entity(NamedTuple):
    """An entity of a sentence: words start … stop - 1."""

    kind: str
    start: int
    stop: int


@dataclass(frozen=True)
class EntityScore:
    """Counts of entities, actual and predicted.

    Attributes:
        n_correct: predicted ones that are correct.
        n_predicted: predicted ones.
        actual: actual ones.
        by_type: the same three numbers of each type.
    """

    n_correct: int
    n_predicted: int
    actual: int
    by_type: dict[str, tuple[int, int, int]]

    @property
    def precision(self) -> float:
        """Return the share of the predicted entities that are right."""
        return self.n_correct / max(self.n_predicted, 1)

    @property
    def recall(self) -> float:
        """Return the share of the actual entities that were predicted."""
        return self.n_correct / max(self.actual, 1)

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall."""
        return 2 * self.n_correct / max(self.n_predicted + self.actual, 1)


def is_bio(tags: Iterable[object]) -> bool:
    """Return whether a set of tags marks entities."""
    tags = set(tags)
    return (
        "O" in tags and len(tags) > 1 and all(t == "O" or (isinstance(t, str) and t[:2] in {"B-", "I-"}) for t in tags)
    )


def entities(tags: Sequence[str]) -> list[Entity]:
    """Return the entities of a sentence."""
    spans: list[Entity] = []
    start, kind = 0, ""
    for position, tag in enumerate([*tags, "O"]):
        mark, _, now = tag.partition("-")
        continues = mark == "I" and now == kind
        if kind and not continues:
            spans.append(Entity(kind, start, position))
        if not continues:
            start, kind = position, now
    return spans


def score(actual: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> EntityScore:
    """Compare the tags of sentences."""
    n_actual: Counter[str] = Counter()
    n_predicted: Counter[str] = Counter()
    n_correct: Counter[str] = Counter()
    for ours, theirs in zip(predicted, actual, strict=True):
        mine, real = set(entities(ours)), set(entities(theirs))
        n_predicted.update(entity.kind for entity in mine)
        n_actual.update(entity.kind for entity in real)
        n_correct.update(entity.kind for entity in mine & real)
    by_type = {kind: (n_correct[kind], n_predicted[kind], n_actual[kind]) for kind in sorted(n_predicted | n_actual)}
    return EntityScore(n_correct.total(), n_predicted.total(), n_actual.total(), by_type)
