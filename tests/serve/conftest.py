"""The model that the tests of the server serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.serve.client import INPUTS

import throughtime as tt
from throughtime import nn

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("serve") / "model"
    tt.save(nn.ManyToMany(nn.LSTM(INPUTS, 8, 2), 1), directory)
    return directory
