"""Which batches are trained on in one go: those at hand that are alike, as long as nobody has to look in between."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from throughtime.data.batches import Batch, Batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class BatchGroup(NamedTuple):
    """Batches that follow each other, and the number of the first of them in its epoch, from 0."""

    first: int
    batches: list[Batch]


def is_prefetchable(data: Iterable[Batch]) -> bool:
    """Whether batches may be asked for before others are trained on.

    A reader of the user's may fill the same memory again, draw random numbers or look at the weights.
    """
    return isinstance(data, list | tuple | Batches)


def group_batches(
    batches: Iterator[tuple[int, Batch]],
    max_size: Callable[[Batch], int],
    is_compatible: Callable[[Batch, Batch], bool],
) -> Iterator[BatchGroup]:
    """Put batches into runs.

    Args:
        batches: and their numbers.
        max_size: how many batches like this one a run may have.
        is_compatible: whether another batch is like it.
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
