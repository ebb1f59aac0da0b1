"""Random numbers of 16 bits: their share, their moments, their independence."""

from __future__ import annotations

import pytest
import torch

from throughtime.tasks.fast_random import Int16Dropout, add_uniform_noise, random_int16

MANY = torch.ones(999, 1001)  # not a multiple of the four words in a draw


def test_words_are_uniform_and_do_not_depend_on_each_other() -> None:
    torch.manual_seed(0)
    result = random_int16(MANY).double() / 2**15
    assert result.min() < -0.999
    assert result.max() > 0.999
    assert abs(float(result.mean())) < 0.003
    assert abs(float(result.var()) - 1 / 3) < 0.003
    flat = result.flatten()
    for lag in range(1, 9):  # within a draw and across them
        assert abs(float((flat[lag:] * flat[:-lag]).mean())) < 0.003


def test_noise_has_the_standard_deviation_that_was_asked_for() -> None:
    torch.manual_seed(0)
    noise = add_uniform_noise(MANY, 0.02) - MANY
    assert float(noise.std()) == pytest.approx(0.02, rel=0.01)
    assert abs(float(noise.mean())) < 1e-4


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_dropout_drops_its_share_keeps_the_mean_and_passes_gradients_where_it_kept(share: float) -> None:
    torch.manual_seed(0)
    x = MANY.clone().requires_grad_()
    y = Int16Dropout(share)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    y = y.detach()
    assert float((y == 0).double().mean()) == pytest.approx(share, abs=0.002)
    if share < 1:
        assert float(y.mean()) == pytest.approx(1.0, abs=0.005)
    torch.testing.assert_close(gradient, y)


def test_dropout_is_off_in_evaluation() -> None:
    assert Int16Dropout(0.5).eval()(MANY) is MANY
