"""A typed façade of the compiled kernels. It imports neither torch nor numpy.

`find(cell, activation, bits)` returns the kernel for the best instruction set of this processor, or None if there is
none. The environment variable THROUGHTIME_ISA (avx512, avx2, baseline) selects a lower one; THROUGHTIME_PATH takes
another path than the kernels: torch's own operators (torch), or the reference path (reference).
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throughtime._kernels._engine import Kernel, StreamingNetwork, Trainer

try:
    from throughtime._kernels import _engine
except ImportError as error:  # an unusual platform: everything still runs, slowly
    _engine = None
    warnings.warn(
        f"throughtime: the compiled kernels could not be loaded ({error}). Everything runs on the reference path, many "
        "times slower. To build them: pip install --force-reinstall --no-deps throughtime, with a C++20 compiler.",
        stacklevel=2,
    )


def _read_path() -> str:
    path = os.environ.get("THROUGHTIME_PATH", "")
    if path not in ("", "torch", "reference"):
        raise ImportError(f"THROUGHTIME_PATH: expected torch or reference, or nothing for the kernels, got {path!r}")
    return path


forced_path: str = _read_path()
"""The path of all calls, 'torch' or 'reference'; empty for the kernels."""


def _select_isa() -> str | None:
    if _engine is None or forced_path:
        return None
    available = _engine.instruction_sets()
    requested = os.environ.get("THROUGHTIME_ISA")
    if not requested:
        return available[0]
    if requested not in available:
        raise ImportError(
            f"THROUGHTIME_ISA: expected one of {', '.join(available)} on this processor, got {requested!r}"
        )
    return requested


isa: str | None = _select_isa()
"""Instruction set of the kernels in use, or None where no kernels are used."""

_table: dict[tuple[str, str, int], Kernel] = {
    (kernel.cell, kernel.activation, kernel.bits): kernel
    for kernel in (_engine.kernels() if _engine else ())
    if kernel.isa == isa
}


def find(cell: str, activation: str, bits: int) -> Kernel | None:
    """Return the kernel of a cell for float64, float32 or bfloat16 (16 bits), or None if none is compiled."""
    return _table.get((cell, activation, bits))


_trainers: dict[bool, Trainer] = {
    trainer.is_double: trainer for trainer in (_engine.trainers() if _engine else ()) if trainer.isa == isa
}


def find_trainer(double: bool) -> Trainer | None:
    """Return what trains small networks in float64 (`double`) or float32, or None where nothing is compiled."""
    return _trainers.get(double)


def free_memory() -> int:
    """Return the number of bytes that the process can still allocate."""
    assert _engine is not None  # a kernel comes from it
    return _engine.free_memory()


def run_multiply_adds(threads: int) -> float:
    """Multiply and add in registers alone, for measuring the processor. Returns how many operations (float32)."""
    return sum(peak.run(threads) for peak in (_engine.peak_flops() if _engine else ()) if peak.isa == isa)


def new_streaming_network(trainer: Trainer, inputs: int) -> StreamingNetwork:
    """Return an empty stack of layers that advances one step at a time."""
    assert _engine is not None  # a trainer comes from it
    return _engine.StreamingNetwork(trainer, inputs)


def _release_threads() -> None:
    if _engine is not None:
        _engine.release_threads()


# A child forked while the pool's threads exist would wait for threads that it does not have.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_release_threads)
