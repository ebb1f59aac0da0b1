"""Which requests are accepted: as many as may wait, until the server ends."""

from __future__ import annotations

import asyncio

from throughtime.serve.errors import draining, overloaded


class Admission:
    """Counts the requests that wait.

    Args:
        limit: of them.

    Attributes:
        is_draining: whether the server ends.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._count = limit, 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.is_draining = False

    def __len__(self) -> int:
        return self._count

    def check_open(self) -> None:
        """Refuse what is new while the server ends."""
        if self.is_draining:
            raise draining()

    def __enter__(self) -> None:
        """Count a request, or refuse it."""
        self.check_open()
        if self._count >= self._limit:
            raise overloaded(self._limit)
        self._count += 1
        self._idle.clear()

    def __exit__(self, *_: object) -> None:
        """Count a request that was answered."""
        self._count -= 1
        if not self._count:
            self._idle.set()

    async def wait_until_idle(self) -> None:
        """Return when nothing waits."""
        await self._idle.wait()
