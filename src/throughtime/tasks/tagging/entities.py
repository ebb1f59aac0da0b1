"""Entities in sentences whose words are tagged B-type (begins one), I-type (inside one) and O (outside of any).

An entity counts as found where its first word, its last word and its type are all right, as in the CoNLL shared tasks.
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
    """How well entities were found.

    Attributes:
        n_correct: found, with first word, last word and type.
        found: in all.
        actual: that there are.
        by_type: the same three numbers of each type.
    """

    n_correct: int
    found: int
    actual: int
    by_type: dict[str, tuple[int, int, int]]

    @property
    def precision(self) -> float:
        """Share of those found that are right."""
        return self.n_correct / max(self.found, 1)

    @property
    def recall(self) -> float:
        """Share of those there are that were found."""
        return self.n_correct / max(self.actual, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.n_correct / max(self.found + self.actual, 1)


def is_bio(tags: Iterable[object]) -> bool:
    """Whether these tags (a set of them) mark entities."""
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
        goes_on = mark == "I" and now == kind
        if kind and not goes_on:
            spans.append(Entity(kind, start, position))
        if not goes_on:
            start, kind = position, now
    return spans


def score(actual: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> EntityScore:
    """Compare the tags of sentences."""
    there: Counter[str] = Counter()
    n_found: Counter[str] = Counter()
    n_correct: Counter[str] = Counter()
    for ours, theirs in zip(predicted, actual, strict=True):
        mine, real = set(entities(ours)), set(entities(theirs))
        n_found.update(entity.kind for entity in mine)
        there.update(entity.kind for entity in real)
        n_correct.update(entity.kind for entity in mine & real)
    by_type = {kind: (n_correct[kind], n_found[kind], there[kind]) for kind in sorted(n_found | there)}
    return EntityScore(n_correct.total(), n_found.total(), there.total(), by_type)
