"""Fixtures for the instruction sets of this processor."""

from __future__ import annotations

import pytest

from throughtime import _kernels

INSTRUCTION_SETS = _kernels._engine.instruction_sets() if _kernels._engine else []


def use(isa: str, patch: pytest.MonkeyPatch) -> None:
    """Make all calls use the kernels of one instruction set, as THROUGHTIME_ISA does for a process."""
    assert _kernels._engine is not None
    kernels = {(k.cell, k.activation, k.bits): k for k in _kernels._engine.kernels() if k.isa == isa}
    patch.setattr(_kernels, "_table", kernels)


@pytest.fixture(params=INSTRUCTION_SETS)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    use(request.param, monkeypatch)
    return request.param
