"""Groups of batches that are trained on in one call, or that several processes share."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from throughtime.data.batches import Batch, Batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class BatchGroup(NamedTuple):
    """Consecutive batches.

    Attributes:
        first: number of the first of them in its epoch, from 0.
        batches: one or more.
    """

    first: int
    batches: list[Batch]


def is_prefetchable(data: Iterable[Batch]) -> bool:
    """Return whether batches may be read before others are trained on.

    An iterable of the user may reuse memory, draw random numbers or depend on the weights.
    """
    return isinstance(data, list | tuple | Batches)


def group_batches(
    batches: Iterator[tuple[int, Batch]],
    max_size: Callable[[Batch], int],
    is_compatible: Callable[[Batch, Batch], bool],
) -> Iterator[BatchGroup]:
    """Put batches into groups.

    Args:
        batches: with their numbers.
        max_size: returns how many batches like this one a group may have.
        is_compatible: returns whether another batch may be in the same group.
    """
    for number, batch in batches:
        group, other = [batch], None
        for _, following in islice(batches, max_size(batch) - 1):
            if not is_compatible(batch, following):
                other = following
                break
            group.append(following)
        yield BatchGroup(number, group)
        if other is not None:
            yield BatchGroup(number + len(group), [other])
