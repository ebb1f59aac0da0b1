"""Training on several processes: torch's DistributedDataParallel finds in our layers what it needs."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from tests.layers import OF_TORCH
from tests.tolerances import assert_close
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from throughtime import nn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def _group(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("_group")
@pytest.mark.parametrize("layer", OF_TORCH)
def test_distributed_gradients_are_those_of_one_process(layer: str) -> None:
    alone = getattr(nn, layer)(3, 5, num_layers=2, bidirectional=True)
    spread = DistributedDataParallel(copy.deepcopy(alone))
    x = torch.randn(6, 4, 3)
    for module in (alone, spread):
        module(x, lengths=[6, 0, 3, 1])[0].square().sum().backward()
    result = {name.removeprefix("module."): p.grad for name, p in spread.named_parameters()}
    assert_close(result, {name: p.grad for name, p in alone.named_parameters()}, "exact")
