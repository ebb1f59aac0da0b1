"""How fast the processor multiplies and adds at all, and whether it does so right now.

On a machine that is shared, two threads have a core each at one moment and halves of one at the next, and nothing tells
so but the processor's own speed.
"""

from __future__ import annotations

import time

from throughtime import _kernels

SETTLING = 0.03
"""Seconds of work before it counts: threads that slept wake on one core, and take some turns to part."""

_LOOK = 2.0  # seconds for finding the peak
_REST = 0.05
_WHOLE = 0.8  # of the peak


class Processor:
    """The speed of this processor with some threads.

    Attributes:
        threads: how many.
        peak: the most operations per second that it has made in registers alone; 0 without compiled kernels.
    """

    def __init__(self, threads: int, look: float = _LOOK) -> None:
        self.threads = threads
        self.peak = 0.0
        until = time.perf_counter() + look
        self.is_whole()
        while self.peak and time.perf_counter() < until:
            time.sleep(_REST)
            self.is_whole()

    def is_whole(self) -> bool:
        """Whether it gives about as much as ever; what is measured at another time says little."""
        until = time.perf_counter() + SETTLING
        found = self._probe()
        while found < _WHOLE * self.peak and time.perf_counter() < until:
            found = max(found, self._probe())
        self.peak = max(self.peak, found)
        return found >= _WHOLE * self.peak

    def _probe(self) -> float:
        started = time.perf_counter()
        operations = _kernels.run_multiply_adds(self.threads)
        return operations / (time.perf_counter() - started)
