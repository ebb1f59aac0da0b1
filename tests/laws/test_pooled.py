"""Many to one: from the final state, or from all steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.tolerances import assert_close
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import throughtime as tt
from throughtime import InputError, nn, runtime, training
from throughtime.nn.pooling import POOLINGS

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS = [5, 1, 3]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_each_row_is_that_of_its_sequence_alone(pooling: str, batch_first: bool) -> None:
    layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=batch_first, dtype=torch.float64)
    model = nn.ManyToOne(layer, 2, pooling=pooling)
    x = torch.randn(5, 3, 3, dtype=torch.float64)
    y, _ = model(x.transpose(0, 1) if batch_first else x, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        alone = x[:length, row : row + 1]
        assert_close(model(alone.transpose(0, 1) if batch_first else alone)[0], y[row : row + 1], "forward")
        assert_close(model(alone[:, 0])[0], y[row], "forward")


def test_the_mean_and_the_maximum_are_those_of_all_steps() -> None:
    x = torch.randn(5, 3, 3)
    for pooling, function in (("mean", torch.mean), ("max", torch.amax)):
        model = nn.ManyToOne(nn.GRU(3, 4), 2, pooling=pooling)
        h, _ = model.layer(x)
        assert_close(model(x)[0], model.output(function(h, 0)), "forward")


@pytest.mark.parametrize("pooling", POOLINGS)
def test_what_is_pooled_is_trained_saved_and_where_it_cannot_be_refused(pooling: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = torch.randn(20, 30, 1)
    data = (x, x.amax(0))
    model = nn.ManyToOne(nn.GRU(1, 8), 1, pooling=pooling)
    history = training.fit(model, data, learning_rate=0.02, stop=[training.Epochs(40)])
    assert history.path == ("compiled" if pooling == "final" else "general: the outputs of all steps are pooled")
    assert history.records[-1].loss < history.records[0].loss / 2
    tt.save(model, tmp_path / "model")
    assert_close(tt.load(tmp_path / "model")(x)[0], model(x)[0], "exact")
    recomputed = training.CheckpointedBPTT()
    if pooling == "final":
        training.fit(model, data, bptt=recomputed, stop=[training.Epochs(1)])
        return
    with pytest.raises(ValueError, match="CheckpointedBPTT: expected no pooling over all steps"):
        training.fit(model, data, bptt=recomputed, stop=[training.Epochs(1)])
    with pytest.raises(InputError, match="runtime: expected a network with outputs at each step"):
        runtime.load(tmp_path / "model")
    with pytest.raises(InputError, match="to C"):
        tt.export(model, tmp_path / "model.c")


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_sequence_of_no_steps_spoils_nothing(pooling: str) -> None:
    model = nn.ManyToOne(nn.GRU(3, 5), 2, pooling=pooling)
    x = torch.randn(4, 2, 3, requires_grad=True)
    y, _ = model(x, lengths=[4, 0])
    assert_close(y[1], model.output.bias, "exact")
    y.sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in (x, *model.parameters()))


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("make", ["many", "final", "mean", "decoder"])
def test_layouts_take_packed_sequences(make: str, batch_first: bool) -> None:
    layer = nn.GRU(3, 4, batch_first=batch_first)
    lengths = torch.tensor([2, 5, 4])
    x = torch.randn((3, 5, 3) if batch_first else (5, 3, 3))
    packed = pack_padded_sequence(x, lengths, batch_first=batch_first, enforce_sorted=False)
    if make == "many":
        model: torch.nn.Module = nn.ManyToMany(layer, 2)
        y, _ = pad_packed_sequence(model(packed)[0], batch_first=batch_first)
        real = torch.arange(5).unsqueeze(1) < lengths
        real = real.T if batch_first else real
        assert_close(y[real], model(x, lengths=lengths)[0][real], "exact")
    elif make == "decoder":
        decoder = nn.GRU(2, 4, batch_first=batch_first)
        model = nn.EncoderDecoder(layer, decoder, 2, attention="dot")
        assert_close(model(packed, steps=3), model(x, steps=3, lengths=lengths), "forward")
    else:
        model = nn.ManyToOne(layer, 2, pooling=make)
        assert_close(model(packed)[0], model(x, lengths=lengths)[0], "forward")
