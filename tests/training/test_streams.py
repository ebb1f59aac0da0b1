"""Sequences longer than memory: read in parts, with the state carried on, they give the results of the whole."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn, training

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LENGTHS = (23, 4, 0, 11, 1, 9, 16)


def sequences() -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.randn(steps, 2), torch.randn(steps, 1)) for steps in LENGTHS]


@pytest.mark.parametrize("rows", [1, 3, 8])
@pytest.mark.parametrize("steps", [1, 5, 30])
def test_every_step_is_read_once_in_its_order(rows: int, steps: int) -> None:
    inputs = [(100 * number + torch.arange(length), torch.arange(length)) for number, length in enumerate(LENGTHS)]
    read: dict[int, list[int]] = {}
    for batch in training.StatefulBatches(inputs, rows=rows, steps=steps):
        assert batch.lengths is not None
        assert batch.reset is not None
        assert len(batch.x) == int(batch.lengths.max()) <= steps
        for row, length in enumerate(batch.lengths.tolist()):
            values = batch.x[:length, row].tolist()
            if values:
                assert bool(batch.reset[row]) == (values[0] % 100 == 0)
                read.setdefault(values[0] // 100, []).extend(values)
            assert not batch.x[length:, row].any()
    assert read == {number: x.tolist() for number, (x, _) in enumerate(inputs) if len(x)}


@pytest.mark.parametrize("layer", ["GRU", "LSTM"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_the_state_is_that_of_the_whole_sequence(layer: str, batch_first: bool) -> None:
    model = nn.ManyToMany(getattr(nn, layer)(2, 5, num_layers=2, batch_first=batch_first), 1)
    inputs = sequences()
    streams = training.StatefulBatches(inputs, rows=3, steps=5, batch_first=batch_first)
    total = 0.0
    for x, y in inputs:
        if len(x):
            total += float((model(x)[0].detach() - y).square().sum())
    assert math.isclose(training.evaluate(model, streams), total / sum(LENGTHS), rel_tol=1e-5)


def test_a_stream_trains_as_one_sequence_cut_in_chunks() -> None:
    x, y = torch.randn(20, 4, 2), torch.randn(20, 4, 1)
    pairs = [(x[:, row], y[:, row]) for row in range(4)]
    results = []
    whole = [(x, y), training.TruncatedBPTT(5, 5)]
    parts = [training.StatefulBatches(pairs, rows=4, steps=5), training.FullBPTT()]
    again = [training.StatefulBatches(pairs, rows=4, steps=10), training.TruncatedBPTT(5, 5)]
    for data, bptt in (whole, parts, again):
        torch.manual_seed(1)
        model = nn.ManyToMany(nn.LSTM(2, 6), 1)
        training.fit(model, data, bptt=bptt, stop=[training.Epochs(3)])
        results.append(dict(model.named_parameters()))
    assert_close(results[1], results[0], "update")
    assert_close(results[2], results[0], "update")


def test_a_file_is_read_as_it_is_needed(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(40, dtype=np.float32).reshape(20, 2))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    read = [batch.x for batch in training.StatefulBatches([(mapped, mapped[:, :1])], steps=6)]
    assert torch.equal(torch.cat(read)[:, 0], torch.arange(40.0).reshape(20, 2))
    model = nn.ManyToMany(nn.RNN(2, 3), 1)
    history = training.fit(
        model, training.StatefulBatches([(mapped / 40, mapped[:, :1] / 40)], steps=6), stop=[training.Epochs(2)]
    )
    assert history.records[-1].updates == 8


def test_a_reader_is_opened_at_each_pass() -> None:
    class Reader:
        opened = 0

        def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            self.opened += 1
            yield from sequences()

    reader = Reader()
    streams = training.StatefulBatches(reader, rows=2, steps=8)
    training.fit(nn.ManyToMany(nn.RNN(2, 3), 1), streams, stop=[training.Epochs(3)])
    assert reader.opened == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: training.StatefulBatches([], rows=0), "rows: expected at least 1, got 0"),
        (lambda: training.StatefulBatches([], steps=0), "steps: expected at least 1, got 0"),
        (lambda: training.StatefulBatches(iter([])), "read again"),
        (
            lambda: list(training.StatefulBatches([(torch.zeros(3), torch.zeros(4))])),
            "expected as many targets as steps",
        ),
    ],
)
def test_what_cannot_be_read_is_said(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("reset", [torch.tensor([1, 0, 0, 0]), torch.tensor([True, False])])
def test_reset_is_a_boolean_for_each_row(reset: torch.Tensor) -> None:
    batch = training.Batch(torch.zeros(3, 4, 2), torch.zeros(3, 4, 1), None, torch.ones(4, dtype=torch.bool))
    with pytest.raises(ValueError, match="expected one boolean for each of the 4 rows"):
        training.evaluate(nn.ManyToMany(nn.RNN(2, 3), 1), [batch, batch._replace(reset=reset)])


def test_a_single_sequence_is_reset_by_one_flag() -> None:
    model = nn.ManyToMany(nn.RNN(2, 3), 1)
    x, y = torch.randn(6, 2), torch.randn(6, 1)
    losses = []
    for flag in (True, False):
        parts = [training.Batch(x[:3], y[:3], None, torch.tensor([True])), training.Batch(x[3:], y[3:], None,
                 torch.tensor([flag]))]  # fmt: skip
        losses.append(training.evaluate(model, parts))
    assert losses[1] == pytest.approx(training.evaluate(model, [training.Batch(x, y)]))
    assert losses[0] != pytest.approx(losses[1])
