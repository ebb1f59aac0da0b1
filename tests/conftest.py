"""What every test shares: two threads in total, no leftover random state, checked shapes, and real data."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
import torch

from tests import shapes

if TYPE_CHECKING:
    from collections.abc import Iterator

shapes.install("throughtime")
torch.set_num_threads(2 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) or 1)


@pytest.fixture(autouse=True)
def _same_start() -> None:
    """Start every test from the same seed and with all checks of shapes, so that none depends on those before it."""
    torch.manual_seed(0)
    shapes.begin_test()


@pytest.fixture
def unchecked_shapes() -> Iterator[None]:
    """Let wrong shapes reach the package, for tests of its own errors, or leave Python's global generator alone."""
    with shapes.unchecked():
        yield


@pytest.fixture(scope="module")
def brief_trainings() -> Iterator[None]:
    """Let forecasters make a few updates alone, in tests of what surrounds their training."""
    from throughtime.tasks.forecasting.presets import PRESETS

    with patch.dict(PRESETS, {name: replace(preset, max_updates=30) for name, preset in PRESETS.items()}):
        yield


@pytest.fixture
def data_dir() -> Path:
    """The directory of real data, for tests that need it."""
    name = os.environ.get("THROUGHTIME_DATA")
    if not name:
        pytest.skip("needs real data: set THROUGHTIME_DATA to the directory that holds it")
    if not Path(name).is_dir():
        pytest.skip(f"needs real data: THROUGHTIME_DATA is {name}, which is not a directory")
    return Path(name).resolve()
