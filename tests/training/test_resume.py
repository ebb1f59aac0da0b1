"""A training that is killed at any moment continues bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import InputError, nn, training

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRIPT = """
import sys, torch
from throughtime import nn, training

def run(checkpoints=None, stop=None):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = nn.ManyToMany(nn.LSTM(2, 8, num_layers=2, dropout=DROPOUT), 1)
    x, y = torch.randn(12, 20, 2), torch.randn(12, 20, 1)
    history = training.fit(
        model,
        training.Batches(x, y, batch_size=4, time_first=True),
        bptt=training.TruncatedBPTT(3, 6),
        validation=(x, y),
        schedule=lambda o: torch.optim.lr_scheduler.StepLR(o, 7, 0.9),
        clip=0.5,
        stop=stop or [training.Epochs(EPOCHS)],
        seed=3,
        checkpoints=checkpoints,
    )
    assert history.path.startswith("general" if DROPOUT else "compiled")
    return model, history

if __name__ == "__main__":
    print("begins", flush=True)
    model, history = run(training.Checkpoints(sys.argv[1], seconds=0))
    torch.save([dict(model.state_dict()), [r.loss for r in history.records]], sys.argv[2])
"""


# Dropout is not compiled; the engine is so fast that it needs more epochs to be caught.
PATHS = {"general": "DROPOUT, EPOCHS = 0.3, 6", "compiled": "DROPOUT, EPOCHS = 0.0, 40"}


@pytest.fixture(params=PATHS)
def script(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "train.py"
    path.write_text(PATHS[request.param] + SCRIPT)
    return path


def run(script: Path, *arguments: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, script, *map(str, arguments)], env=environment, stdout=subprocess.PIPE)


def uninterrupted(script: Path) -> list[object]:
    scope: dict[str, object] = {"__name__": "script"}
    exec(compile(script.read_text(), script, "exec"), scope)
    threads = torch.get_num_threads()
    try:
        model, history = scope["run"]()  # pyright: ignore[reportCallIssue]
    finally:
        torch.set_num_threads(threads)
    return [dict(model.state_dict()), [record.loss for record in history.records]]


def killed_and_resumed(script: Path, kills: int, seed: int) -> tuple[list[object], int]:
    """What a training comes to, and how many kills found it at work."""
    directory, result = script.parent / f"state{seed}", script.parent / f"result{seed}.pt"
    chance, caught = random.Random(seed), 0
    for _ in range(kills):
        with run(script, directory, result) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0.0, 2.0))
            caught += process.poll() is None
            process.send_signal(signal.SIGKILL)
    with run(script, directory, result) as process:
        assert process.wait(120) == 0
    return torch.load(result), caught


def test_a_killed_training_goes_on_bit_for_bit(script: Path) -> None:
    result, _ = killed_and_resumed(script, 1, seed=0)
    assert_close(result, uninterrupted(script), "exact")


@pytest.mark.slow
def test_twenty_kills_change_nothing(script: Path) -> None:
    expected, caught = uninterrupted(script), 0
    for seed in range(1, 6):
        actual, some = killed_and_resumed(script, 4, seed)
        assert_close(actual, expected, "exact")
        caught += some
    assert caught >= 10


@pytest.mark.parametrize("updates", [1, 16, 31])
def test_a_training_cut_anywhere_goes_on_bit_for_bit(script: Path, updates: int, tmp_path: Path) -> None:
    scope: dict[str, object] = {"__name__": "script"}
    exec(compile(script.read_text(), script, "exec"), scope)

    class Break(Exception):
        pass

    class Raise:
        """A criterion that breaks off in the middle of an epoch."""

        check_every_update = True

        def should_stop(self, progress: training.Progress, history: training.History) -> bool:
            if progress.updates >= updates:
                raise Break
            return False

        def max_updates(self, progress: training.Progress) -> float:
            return updates - progress.updates

        def fraction_done(self, progress: training.Progress) -> None:
            return None

    kept = training.Checkpoints(tmp_path / "state", seconds=0)
    threads = torch.get_num_threads()
    try:
        with pytest.raises(Break):
            scope["run"](kept, [Raise()])  # pyright: ignore[reportCallIssue]
        model, history = scope["run"](kept)  # pyright: ignore[reportCallIssue]
    finally:
        torch.set_num_threads(threads)
    actual = [dict(model.state_dict()), [record.loss for record in history.records]]
    assert_close(actual, uninterrupted(script), "exact")


class Fresh:
    """Batches that are drawn when they are asked for."""

    def __iter__(self) -> Iterator[training.Batch]:
        for _ in range(7):
            yield training.Batch(torch.randn(6, 3, 2), torch.randn(6, 3, 1))


@pytest.mark.parametrize("dropout", [0.0, 0.3], ids=["compiled", "general"])
@pytest.mark.parametrize("batches", [1, 6, 9])
def test_batches_drawn_anew_are_drawn_again(dropout: float, batches: int, tmp_path: Path) -> None:
    class Broken(Exception):
        pass

    class Breaks(Fresh):
        left = batches

        def __iter__(self) -> Iterator[training.Batch]:
            for batch in super().__iter__():
                if not self.left:
                    raise Broken
                self.left -= 1
                yield batch

    def run(data: Fresh, checkpoints: training.Checkpoints | None = None) -> list[object]:
        torch.manual_seed(1)
        model = nn.ManyToMany(nn.GRU(2, 5, num_layers=2, dropout=dropout), 1)
        history = training.fit(model, data, seed=2, stop=[training.Epochs(3)], checkpoints=checkpoints)
        assert history.path.startswith("general" if dropout else "compiled")
        return [dict(model.state_dict()), [record.loss for record in history.records]]

    kept = training.Checkpoints(tmp_path / "state", seconds=0)
    with pytest.raises(Broken):
        run(Breaks(), kept)
    assert_close(run(Fresh(), kept), run(Fresh()), "exact")


def test_a_finished_training_stays_finished(tmp_path: Path) -> None:
    model = nn.ManyToMany(nn.GRU(1, 4), 1)
    data = (torch.randn(5, 2, 1), torch.randn(5, 2, 1))
    kept = training.Checkpoints(tmp_path / "state")
    first = training.fit(model, data, stop=[training.Epochs(2)], checkpoints=kept)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    second = training.fit(model, data, stop=[training.Epochs(2)], checkpoints=kept)
    assert second.records == first.records
    assert_close(dict(model.state_dict()), weights, "exact")


def test_the_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    data = (torch.randn(5, 2, 1), torch.randn(5, 2, 1))
    kept = training.Checkpoints(tmp_path / "state")
    training.fit(nn.ManyToMany(nn.GRU(1, 4), 1), data, stop=[training.Epochs(1)], checkpoints=kept)
    with pytest.raises(InputError, match="the checkpoint of another model"):
        training.fit(nn.ManyToMany(nn.GRU(1, 5), 1), data, stop=[training.Epochs(1)], checkpoints=kept)
