"""`throughtime explain` of layers, layouts and modules of one's own: as in Python, from what was saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.app.process import run_in_process

import throughtime as tt
from throughtime import nn, training

if TYPE_CHECKING:
    from pathlib import Path


class Own(torch.nn.Module):
    """Layers of ours inside, in both directions and stacked, with lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = torch.nn.ModuleDict({"layer": nn.GRU(3, 6, 2, bidirectional=True, batch_first=True)})
        self.output = torch.nn.Linear(12, 2)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.output(self.encoder["layer"](x, lengths=lengths)[0])


class Symbols(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(5, 4)
        self.layer = nn.LSTM(4, 6)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.layer(self.embedding(ids))[0]


class Dense(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.output = torch.nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(x)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("networks")
    torch.manual_seed(0)
    tt.save(nn.LSTM(3, 6, batch_first=True), directory / "layer")
    tt.save(nn.ManyToOne(nn.RNN(3, 6), 2), directory / "layout")
    tt.save(nn.OneToOne(nn.GRU(3, 6), 3), directory / "step")
    tt.save(Own(), directory / "own", example_inputs=(torch.zeros(2, 7, 3), torch.tensor([7, 3])))
    tt.save(Symbols(), directory / "symbols", example_inputs=(torch.zeros(7, 2, dtype=torch.int64),))
    tt.save(Dense(), directory / "dense", example_inputs=(torch.zeros(7, 2, 3),))
    np.save(directory / "x.npy", np.random.default_rng(0).standard_normal((40, 3)))
    (directory / "x.csv").write_text("a,b,c\n0.5,1,2\n1,-2,3\n0.25,0,1\n")
    (directory / "two.csv").write_text("a,b\n0.5,1\n1,2\n")
    (directory / "gap.csv").write_text("a,b,c\n0.5,1,2\n1,,3\n")
    return directory


def test_gradients_of_a_saved_module_are_those_in_python(models: Path) -> None:
    out, _ = run_in_process("explain", "own", "x.npy", "--json", cwd=models)
    x = torch.from_numpy(np.load(models / "x.npy")).float().unsqueeze(0)
    model = tt.load(models / "own")
    lengths = torch.tensor([40])
    expected = training.doctor(model, x, batch_first=True, lengths=lengths).as_dict()["layers"]
    layers = json.loads(out)["layers"]
    assert [layer["name"] for layer in layers] == [
        f"encoder.layer.{number}{end}" for number in (0, 1) for end in ("", " reverse")
    ]
    for layer, of_python in zip(layers, expected, strict=True):
        assert layer["state_gradients"] == of_python["state_gradients"]


@pytest.mark.parametrize(
    ("arguments", "heading"),
    [
        (("layer",), "LSTM of 6 units; 264 weights. Measured on 8 random sequences of 100 steps"),
        (("layout", "x.csv"), "ManyToOne around RNN of 6 units; 80 weights. Measured on x.csv"),
        (("symbols",), "A module of your own, with the inputs ids and"),
    ],
)
def test_networks_are_named_and_measured(arguments: tuple[str, ...], heading: str, models: Path) -> None:
    first, *layers, verdict = run_in_process("explain", *arguments, cwd=models)[0].splitlines()
    assert first.startswith(heading)
    assert layers[0].startswith("layer.0: the gradient")
    assert verdict.startswith("Gradients")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("dense",), "no recurrent layer that could be recorded"),
        (("step",), "expected a network that reads one sequence, got OneToOne"),
        (("symbols", "x.csv"), "this module reads numbers of symbols"),
        (("layer", "two.csv"), "expected 3 columns of numbers, one for each input, and a row for each step; got 2 x 2"),
        (("layer", "gap.csv"), "the value in row 2, column 2 is missing or infinite"),
        (("layer", "nothing.npy"), "nothing.npy"),
    ],
)
def test_what_cannot_be_explained_is_said_in_a_sentence(arguments: tuple[str, ...], reason: str, models: Path) -> None:
    _, message = run_in_process("explain", *arguments, cwd=models, code=2)
    assert reason in message
