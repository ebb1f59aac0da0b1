"""Which batches are trained on in one go: those at hand that are alike, as long as nobody has to look in between."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from throughtime.data.sequences import Batch, Batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Run(NamedTuple):
    """Batches that follow each other, and the number of the first of them in its epoch, from 0."""

    number: int
    batches: list[Batch]


def at_hand(data: Iterable[Batch]) -> bool:
    """Whether batches may be asked for before others are trained on.

    A reader of the user's may fill the same memory again, draw random numbers or look at the weights.
    """
    return isinstance(data, list | tuple | Batches)


def runs(
    batches: Iterator[tuple[int, Batch]], most: Callable[[Batch], int], follows: Callable[[Batch, Batch], bool]
) -> Iterator[Run]:
    """Put batches into runs.

    Args:
        batches: and their numbers.
        most: how many batches like this one a run may have.
        follows: whether another batch is like it.
    """
    for number, batch in batches:
        run, other = [batch], None
        for _, following in islice(batches, most(batch) - 1):
            if not follows(batch, following):
                other = following
                break
            run.append(following)
        yield Run(number, run)
        if other is not None:
            yield Run(number + len(run), [other])
