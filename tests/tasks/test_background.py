"""Trainings at once: the same bits as one after the other, and none that runs without anybody waiting for it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.tolerances import assert_close

import throughtime as tt
from throughtime.data.datasets import seasonal
from throughtime.tasks.background import in_background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from throughtime.training import Progress

BRIEF = tt.Preset(5, 10)


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Let torch compute with so many threads, and so the library train so many networks at once."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def backtest_in(threads: int, random_state: int | np.random.RandomState) -> tuple[dict[str, np.ndarray], set[int]]:
    """Backtest, and return the errors by method and the threads in which networks were trained."""
    trained_in: set[int] = set()
    forecaster = tt.Forecaster(4, preset=BRIEF, hidden_size=8, random_state=random_state)
    with torch_threads(threads), pytest.MonkeyPatch.context() as patch:
        fit_panel = tt.Forecaster.fit_panel

        def fit_and_record(self: tt.Forecaster, *args: object, **options: object) -> tt.Forecaster:
            trained_in.add(threading.get_ident())
            return fit_panel(self, *args, **options)  # pyright: ignore[reportArgumentType]

        patch.setattr(tt.Forecaster, "fit_panel", fit_and_record)
        return forecaster.backtest(seasonal(3, 60)).errors, trained_in


@pytest.mark.parametrize("shared", [False, True], ids=["seed", "random state"])
def test_networks_trained_at_once_have_the_bits_of_one_after_the_other(*, shared: bool) -> None:
    results = [backtest_in(threads, np.random.RandomState(3) if shared else 3) for threads in (1, 2)]
    (alone, one), (at_once, two) = results
    assert (len(one), len(two)) == (1, 2)
    assert_close(at_once, alone, "exact")


def test_a_budget_is_of_time_in_which_nothing_else_is_trained() -> None:
    with torch_threads(2), in_background(lambda _: threading.get_ident(), when=False) as wait:
        assert wait() == threading.get_ident()


def test_a_training_that_nobody_waits_for_ends() -> None:
    started, completed = threading.Event(), []

    def train(check: Callable[[Progress], None]) -> None:
        for _ in range(1000):
            started.set()
            time.sleep(0.002)
            check(None)  # pyright: ignore[reportArgumentType]
        completed.append(True)

    with torch_threads(2), suppress(KeyboardInterrupt), in_background(train):
        assert started.wait(60)
        raise KeyboardInterrupt
    assert not completed


def test_an_error_in_the_background_reaches_who_waits() -> None:
    def train(_: Callable[[Progress], None]) -> None:
        raise tt.InputError("too short")

    with torch_threads(2), pytest.raises(tt.InputError, match="too short"), in_background(train) as wait:
        wait()


def test_a_forecast_imports_no_compiler_of_torch_and_one_may_still_be_used() -> None:
    program = (
        "import sys, torch, throughtime as tt\n"
        "from throughtime.data.datasets import seasonal\n"
        "def fit(): return tt.Forecaster(4, preset=tt.Preset(5, 10)).fit(seasonal(2, 40)).predict()['throughtime']\n"
        "before = fit()\n"
        "assert 'torch._dynamo' not in sys.modules, 'imported'\n"
        "import torch._dynamo\n"
        "assert (fit() == before).all()\n"
        "assert torch.compile(torch.nn.Tanh(), backend='eager')(torch.zeros(2)).tolist() == [0, 0]\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)
