"""Words of the Penn Treebank by the classic recipe: a 2 x 200 LSTM without any regularisation.

    THROUGHTIME_DATA=… python benchmarks/penn_treebank.py [--epochs 13] [--pace]

Source: Zaremba et al. 2014, Recurrent Neural Network Regularization: 20 streams, windows of 20 steps with the state
carried on, SGD at a rate of 1 that is halved after each epoch from the fifth on, gradient norm 5, weights from ±0.1.
Its test perplexity is 114.5. `--pace` only measures updates per second, compared with the same network of torch.nn.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from throughtime import training
from throughtime.data.text.symbols import SymbolVocabulary, read_text_file
from throughtime.tasks.generation.batches import ChunkBatches, batchify
from throughtime.tasks.generation.codec import TextCodec
from throughtime.tasks.generation.network import GeneratorNetwork, GeneratorSizes, symbol_loss

if TYPE_CHECKING:
    import numpy as np

STREAMS, STEPS, HIDDEN = 20, 20, 200
FLAT_EPOCHS = 4


def main() -> None:
    """Train and score, or measure the pace."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=13)
    parser.add_argument("--pace", action="store_true")
    arguments = parser.parse_args()
    root = Path(os.environ["THROUGHTIME_DATA"]) / "text" / "ptb"
    train, valid, test = (read_text_file(root / f"ptb.{split}.txt.gz") for split in ("train", "valid", "test"))
    symbols = TextCodec(SymbolVocabulary.of(train, "words"))
    numbers = symbols.vocabulary.encode(train)
    if arguments.pace:
        ours, theirs = (pace(model, numbers) for model in (network(symbols), with_torch(network(symbols))))
        print(f"updates per second: throughtime {ours:.1f}, torch.nn {theirs:.1f}, ratio {ours / theirs:.2f}")
        return
    torch.manual_seed(0)
    model = network(symbols)
    updates = (len(numbers) - 1) // STREAMS // STEPS
    started = time.monotonic()
    history = training.fit(
        model,
        batchify(torch.from_numpy(numbers), STREAMS),
        loss=lambda scores, targets: STEPS * symbol_loss(scores, targets),  # the sum over steps, as in the paper
        bptt=training.TruncatedBPTT(STEPS, STEPS),
        optimizer="sgd",
        learning_rate=1.0,
        schedule=lambda o: torch.optim.lr_scheduler.LambdaLR(
            o, lambda update: 0.5 ** max(update // updates + 1 - FLAT_EPOCHS, 0)
        ),
        validation=ChunkBatches(symbols.vocabulary.encode(valid)),
        stop=[training.Epochs(arguments.epochs)],
        clip=5.0,
        callbacks=[EpochPrinter()],
        seed=0,
    )
    best = history.best
    assert best is not None
    unseen = symbols.score(model.eval(), test).perplexity
    print(
        f"valid perplexity {math.exp(best.score / STEPS):.1f} (120.7), test {unseen:.1f} (114.5), "
        f"{time.monotonic() - started:.0f} s"
    )


class EpochPrinter:
    """A callback that prints one line for each epoch."""

    def __init__(self) -> None:
        self.epoch = 1

    def __call__(self, now: training.Progress) -> None:
        """Print the validation perplexity at the end of an epoch."""
        if now.epoch > self.epoch and now.validation_loss is not None:
            print(f"epoch {self.epoch}: valid perplexity {math.exp(now.validation_loss / STEPS):.1f}", flush=True)
            self.epoch = now.epoch


def network(symbols: TextCodec) -> GeneratorNetwork:
    """Return the network of the paper."""
    sizes = GeneratorSizes(symbols.width, cell="lstm", hidden_size=HIDDEN, num_layers=2, embedding_size=HIDDEN)
    model = GeneratorNetwork(sizes)
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1)
    return model


def with_torch(model: GeneratorNetwork) -> nn.Module:
    """Replace the layer by that of torch.nn."""

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(HIDDEN, HIDDEN, 2)

        def forward(self, x: Any, state: Any, lengths: Any = None) -> Any:
            return self.lstm(x, state)

    model.layers.add_module("layer", Layer())
    return model


def pace(model: nn.Module, numbers: np.ndarray, seconds: float = 20.0) -> float:
    """Return the updates per second of a training."""
    data = batchify(torch.from_numpy(numbers), STREAMS)
    options = {"loss": symbol_loss, "bptt": training.TruncatedBPTT(STEPS, STEPS), "optimizer": "sgd", "clip": 5.0}
    training.fit(model, data, **options, stop=[training.Updates(5)])
    history = training.fit(model, data, **options, stop=[training.Seconds(seconds)])
    return history.records[-1].updates / history.records[-1].seconds


if __name__ == "__main__":
    main()
