"""Custom modules: saved as graphs, loaded as modules that learn, run without torch, and refused with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.tolerances import assert_close

import throughtime as tt
from throughtime import nn, runtime

if TYPE_CHECKING:
    from pathlib import Path


class Tagger(torch.nn.Module):
    """Layers of ours and of torch, several outputs, a value that is changed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(20, 6)
        self.convolution = torch.nn.Conv1d(6, 8, 3, padding=1)
        self.norm = torch.nn.BatchNorm1d(8)
        self.layer = nn.LSTM(8, 5, bidirectional=True, batch_first=True)
        self.dropout = torch.nn.Dropout(0.5)
        self.output = torch.nn.Sequential(torch.nn.Linear(10, 8), torch.nn.ReLU(inplace=True), torch.nn.Linear(8, 3))

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor | None = None) -> dict[str, Any]:
        x = self.norm(self.convolution(self.embedding(ids).transpose(1, 2))).transpose(1, 2)
        y, state = self.layer(x, lengths=lengths)
        return {"scores": self.output(self.dropout(y)), "state": state}


def test_a_module_comes_back_as_it_was(tmp_path: Path) -> None:
    model = Tagger()
    tt.save(model, tmp_path / "model", example_inputs=(torch.ones(1, 7, dtype=torch.int64), torch.tensor([5])))
    assert model.training
    ids, lengths = torch.randint(0, 20, (4, 9)), torch.tensor([9, 0, 3, 1])
    again, outside = tt.load(tmp_path / "model"), runtime.load(tmp_path / "model")
    with torch.no_grad():
        expected = model.eval()(ids, lengths)
        assert_close(again(ids, lengths=lengths), expected, "forward")
    assert_close(outside(ids.numpy(), lengths=lengths.numpy()), expected, "forward")
    assert list(again.state_dict()) == list(model.state_dict())
    assert {name for name, _ in again.named_parameters()} == {name for name, _ in model.named_parameters()}
    again(ids, lengths)["scores"].sum().backward()
    assert all(parameter.grad is not None for parameter in again.parameters())


class Branching(torch.nn.Linear):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input) if input.sum() > 0 else input


class Counting(torch.nn.Linear):
    def __init__(self) -> None:
        super().__init__(3, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().forward(input) * self.calls


class Decomposing(torch.nn.Linear):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return torch.linalg.svd(super().forward(input))[1]


def hooked() -> torch.nn.Module:
    model = torch.nn.Linear(3, 3)
    model.register_forward_hook(lambda *_: None)
    return model


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Branching(3, 3), "depends on the values of a tensor"),
        (Counting(), "`forward` writes to calls"),
        (Decomposing(3, 3), "the operator aten.linalg_svd.default cannot leave torch"),
        (hooked(), "has hooks, which no file can hold"),
    ],
    ids=["control flow", "state", "operator", "hooks"],
)
def test_what_no_graph_holds_is_refused_with_the_reason(model: torch.nn.Module, reason: str, tmp_path: Path) -> None:
    with pytest.raises(tt.InputError, match=reason):
        tt.save(model, tmp_path / "model", example_inputs=torch.zeros(4, 3))
    assert not (tmp_path / "model").exists()


def test_the_line_to_write_is_named(tmp_path: Path) -> None:
    with pytest.raises(tt.InputError, match=r'tt.save\(model, "linear", example_inputs=\(x,\)\)'):
        tt.save(torch.nn.Linear(3, 3), tmp_path / "model")
    with pytest.raises(tt.InputError, match="example_inputs: input: expected a tensor, got int"):
        tt.save(torch.nn.Linear(3, 3), tmp_path / "model", example_inputs=(1,))
    with pytest.raises(tt.InputError, match=r"tensors that forward\(input\) takes, got 2 values"):
        tt.save(torch.nn.Linear(3, 3), tmp_path / "model", example_inputs=(torch.zeros(2, 3), torch.zeros(2, 3)))
