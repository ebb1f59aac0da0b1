"""The generator on public sets: chorales, folk tunes and Shakespeare, next to published figures.

    THROUGHTIME_DATA=… python benchmarks/generation.py [jsb nottingham shakespeare] [--cell gru] [--budget 5m]

Prints the loss on the test set in nats per step, and wall and CPU seconds of the training. The steps of music are all
after the first of each piece.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

from throughtime import SequenceGenerator
from throughtime.data.music.piano_roll import read_pieces
from throughtime.data.text.symbols import read_text_file

PUBLISHED = {
    "jsb": "Chung 2014: RNN 9.10, GRU 8.54, LSTM 8.67; Bai 2018: 8.91, 8.43, 8.45",
    "nottingham": "Chung 2014: RNN 3.13, GRU 3.23, LSTM 3.20; Bai 2018: 4.05, 3.46, 3.29",
    "shakespeare": "a transformer of 10 million weights (nanoGPT): 1.4697",
}
FILES = {"jsb": "jsb_chorales_pianoroll.json.gz", "nottingham": "nottingham_pianoroll.json.gz"}


def main() -> None:
    """Run the requested sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(PUBLISHED))
    parser.add_argument("--cell", nargs="+", default=["lstm"])
    parser.add_argument("--budget", default=None)
    arguments = parser.parse_args()
    for name in arguments.sets:
        for cell in arguments.cell:
            print(run(name, SequenceGenerator(cell=cell, budget=arguments.budget)), flush=True)


def run(name: str, generator: SequenceGenerator) -> str:
    """Fit one set and describe the result in a line."""
    train, validation, test = splits(name)
    wall, cpu = time.monotonic(), time.process_time()
    generator.fit(train, validation)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    best = generator.history_.best
    return (
        f"{name}, {generator.cell}: test {generator.evaluate(test).nats:.4f} nats per step ({PUBLISHED[name]}); epoch "
        f"{best and best.epoch} of {len(generator.history_)}; {wall:.0f} s, {cpu:.0f} CPU-s"
    )


def splits(name: str) -> tuple[Any, Any, Any]:
    """Return the training, validation and test sets."""
    root = Path(os.environ["THROUGHTIME_DATA"])
    if name in FILES:
        pieces = read_pieces(root / "music" / FILES[name])
        return pieces["train"], pieces["valid"], pieces["test"]
    text = read_text_file(root / "text" / "tinyshakespeare.txt")
    cut = int(0.9 * len(text))  # the usual split has no third part: the last tenth also chooses the epoch
    return text[:cut], text[cut:], text[cut:]


if __name__ == "__main__":
    main()
