"""Training on several processes: the results of one process, one checkpoint, and an end for all when one ends."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn, training

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import os, sys, torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from throughtime import nn, training
from throughtime.training import Checkpoints

ROWS, STEPS = 11, 12

def result(model, data, **options):
    torch.manual_seed(4)  # the order of batches
    options = {"stop": [training.Epochs(3)], "clip": 0.5, "learning_rate": 0.01} | options
    history = training.fit(model, data, **options)
    return {
        "weights": {name: value.clone() for name, value in model.state_dict().items()},
        "losses": [record.loss for record in history.records],
        "norms": [record.gradient_norm for record in history.records],
        "updates": [record.updates for record in history.records],
    }

def gru(rank=0, **options):
    torch.manual_seed(rank)  # the first process's weights are everyone's
    return nn.ManyToMany(nn.GRU(2, 5, batch_first=True, dtype=torch.float64, **options), 1)

def scenarios(times, rank=0, directory=None):
    torch.manual_seed(7)
    x, y = torch.randn(ROWS, STEPS, 2).double(), torch.randn(ROWS, STEPS, 1).double()
    lengths = torch.randint(1, STEPS + 1, (ROWS,))
    marks = torch.zeros(4, dtype=torch.bool)
    stream = [training.Batch(x[:4, i : i + 4], y[:4, i : i + 4], None, marks | (i == 0)) for i in (0, 4, 8)]
    return {
        "batches": result(gru(rank), training.Batches(x, y, batch_size=4 * times), validation=(x, y)),
        "lengths": result(gru(rank), training.Batches(x, y, lengths, batch_size=4 * times)),
        "truncated": result(
            gru(rank),
            training.Batches(x, y, lengths, batch_size=4 * times),
            bptt=training.TruncatedBPTT(3, 5),
            optimizer="adamw",
            schedule=lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
        ),
        "tensors": result(gru(rank), (x, y), bptt=training.TruncatedBPTT(3, 5)),
        "recomputed": result(gru(rank), (x, y), bptt=training.CheckpointedBPTT()),
        "stream": result(gru(rank), stream, bptt=training.TruncatedBPTT(2, 3)),
    }

def joined_lengths(rank):
    # Batches of different lengths, so that one process has fewer windows than the other.
    torch.manual_seed(8)
    pieces = [training.Batch(torch.randn(3, t, 2).double(), torch.randn(3, t, 1).double()) for t in (12, 5, 4, 11)]
    return result(gru(rank), pieces, bptt=training.TruncatedBPTT(2, 4))

def resumed(rank, directory):
    torch.manual_seed(9)
    data = training.Batches(torch.randn(ROWS, STEPS, 2).double(), torch.randn(ROWS, STEPS, 1).double(), batch_size=2)
    written, write = [], Checkpoints.write
    Checkpoints.write = lambda *given: (written.append(1), write(*given))
    kept = training.Checkpoints(directory, seconds=0)
    dropout = {"num_layers": 2, "dropout": 0.3}
    straight = result(gru(rank, **dropout), data)
    try:
        result(gru(rank, **dropout), data, stop=[Breaking()], checkpoints=kept)
        raise AssertionError("it did not break off")
    except Broken:
        again = result(gru(rank, **dropout), data, checkpoints=kept)
    return straight, again, len(written)

class Broken(Exception):
    pass

class Breaking:
    check_every_update = True

    def should_stop(self, progress, history):
        if progress.updates == 5:  # in the middle of an epoch
            raise Broken
        return False

    def fraction_done(self, progress):
        return None

def wrapped(rank, size):
    torch.manual_seed(10)
    x, layer = torch.randn(6, 4, 2), nn.GRU(2, 3)
    spread = DistributedDataParallel(layer) if size > 1 else layer
    (spread(x[:, rank * 4 // size : (rank + 1) * 4 // size])[0].square().sum() * size).backward()
    return {name: p.grad for name, p in layer.named_parameters()}

if __name__ == "__main__":
    torch.set_num_threads(1)
    directory, rank = sys.argv[1], int(os.environ["RANK"])
    found = {**scenarios(1, rank), "different": joined_lengths(rank), "resumed": resumed(rank, directory + "/state")}
    found["wrapped"] = wrapped(rank, distributed.get_world_size())
    torch.save(found, f"{directory}/found{rank}.pt")
"""

DYING = """
import os, signal, sys, torch
from torch import distributed
from throughtime import nn, training

class Data:
    def __iter__(self):
        for number in range(1000):
            if number == 20 and distributed.get_rank() == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            yield training.Batch(torch.randn(5, 4, 1), torch.randn(5, 4, 1))

distributed.init_process_group("gloo", init_method=f"file://{sys.argv[1]}/meeting", rank=int(sys.argv[2]), world_size=2)
training.fit(nn.ManyToMany(nn.RNN(1, 3), 1), Data())
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What one process finds, and what each of two finds."""
    directory = tmp_path_factory.mktemp("team")
    script = directory / "train.py"
    script.write_text(SCRIPT)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*torchrun, script, directory], env=environment(), check=True, timeout=300)
    alone: Any = runpy.run_path(str(script))
    return alone, [torch.load(directory / f"found{rank}.pt") for rank in (0, 1)]


@pytest.mark.slow
def test_two_processes_train_as_one_with_batches_of_twice_the_size(
    launched: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    alone, actual = launched
    expected = alone["scenarios"](2)
    for one in actual:
        assert_close({name: one[name] for name in expected}, expected, "update")


@pytest.mark.slow
def test_all_processes_hold_the_same_bits(launched: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    _, result = launched
    for name in result[0].keys() - {"resumed"}:
        assert_close(result[0][name], result[1][name], "exact")


@pytest.mark.slow
def test_processes_go_on_bit_for_bit_from_a_checkpoint_that_the_first_wrote(
    launched: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    _, results = launched
    for straight, again, _ in (one["resumed"] for one in results):
        assert_close(again["weights"], straight["weights"], "exact")
    assert results[0]["resumed"][2] > 0
    assert results[1]["resumed"][2] == 0


@pytest.mark.slow
def test_layers_train_in_torchs_own_wrapper(launched: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    alone, results = launched
    expected = alone["wrapped"](0, 1)
    for one in results:
        assert_close(one["wrapped"], expected, "gradient")


def test_a_process_whose_partner_has_died_ends_and_says_why(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", DYING, tmp_path, str(rank)], env=environment(), stderr=subprocess.PIPE)
        for rank in (0, 1)
    ]
    _, message = processes[0].communicate(timeout=120)
    processes[1].communicate(timeout=120)
    assert processes[0].returncode == 1
    assert b"ProcessLost: another process of this training has ended" in message


def test_a_model_is_not_averaged_twice(tmp_path: Path) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        model = torch.nn.parallel.DistributedDataParallel(nn.ManyToMany(nn.RNN(1, 3), 1))
        with pytest.raises(TypeError, match="expected one without DistributedDataParallel"):
            training.fit(model, (torch.randn(5, 4, 1), torch.randn(5, 4, 1)))
    finally:
        torch.distributed.destroy_process_group()
