"""Sequences of different lengths: nothing is lost or mixed up, and batches hold what is about as long."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from throughtime.data.bucket_batches import BucketBatches
from throughtime.data.jagged import JaggedSequences


def ragged(count: int = 23) -> JaggedSequences:
    """Sequence i holds the number i, 1 + i % 5 times."""
    return JaggedSequences.of([np.full((1 + i % 5, 2), float(i)) for i in range(count)])


def test_sequences_come_back_as_they_were() -> None:
    sequences = ragged()
    assert len(sequences) == 23
    assert np.array_equal(sequences[7], np.full((3, 2), 7.0))
    chosen = sequences.select(np.array([4, 0]))
    assert chosen.lengths.tolist() == [5, 1]
    assert chosen.values[:, 0].tolist() == [4.0] * 5 + [0.0]


def test_padding_is_zero_behind_the_end_alone() -> None:
    x = ragged().padded(np.array([1, 4]))
    assert x.shape == (2, 5, 2)
    assert x[0, :, 0].tolist() == [1, 1, 0, 0, 0]
    assert x[1, :, 0].tolist() == [4] * 5


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("per_step", [True, False])
def test_a_pass_holds_every_sequence_once_with_its_target(shuffle: bool, per_step: bool) -> None:
    x = ragged()
    y = JaggedSequences.of([np.full(n, i) for i, n in enumerate(x.lengths)]) if per_step else np.arange(23)
    seen = []
    batches = list(BucketBatches(x, y, batch_size=4, shuffle=shuffle))
    assert len(batches) == len(BucketBatches(x, y, batch_size=4)) == 6
    for batch in batches:
        assert batch.lengths is not None
        targets = batch.y[:, 0] if per_step else batch.y
        assert torch.equal(batch.x[:, 0, 0].long(), targets)
        assert batch.x.shape[1] == batch.lengths.max()
        seen += targets.tolist()
    assert sorted(seen) == list(range(23))


def test_batches_hold_sequences_of_similar_length_and_their_order_changes() -> None:
    buckets = BucketBatches(ragged(100), np.arange(100), batch_size=10)
    spread = [int(batch.lengths.max() - batch.lengths.min()) for batch in buckets]
    assert max(spread) <= 1
    first, second = (np.concatenate(buckets.order()).tolist() for _ in range(2))
    assert first != second


def test_targets_for_other_sequences_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a target for each of the 23 sequences, got 22"):
        BucketBatches(ragged(), np.arange(22))
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        BucketBatches(ragged(), np.arange(23), batch_size=0)
