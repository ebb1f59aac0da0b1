"""The translator on Multi30k, in any direction: BLEU on the captions of Flickr's test set of 2016.

    THROUGHTIME_DATA=… python benchmarks/translation.py de en [--attention none] [--hidden 512] [--budget 60m]

Subwords are lower-cased, and so is BLEU (sacrebleu). Prints the validation loss of each epoch, BLEU of a greedy search
and of beams of 5, and wall and CPU seconds of the training.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from throughtime import SequenceTranslator
from throughtime.data.text.symbols import read_text_file
from throughtime.tasks.translation import SubwordSettings

if TYPE_CHECKING:
    from throughtime import training


def main() -> None:
    """Train, translate, score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", choices=["en", "de", "fr"])
    parser.add_argument("target", choices=["en", "de", "fr"])
    parser.add_argument("--attention", default="general")
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--budget", default=None)
    arguments = parser.parse_args()
    languages = arguments.source, arguments.target
    translator = SequenceTranslator(
        cell=arguments.cell,
        hidden_size=arguments.hidden,
        attention=None if arguments.attention == "none" else arguments.attention,
        vocabulary=SubwordSettings(6000, lowercase=True),
        epochs=arguments.epochs,
        budget=arguments.budget,
    )
    wall, cpu = time.monotonic(), time.process_time()
    translator.fit(*sides("train", *languages), sides("val", *languages), callbacks=[EpochPrinter()])
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    sources, targets = sides("test_2016_flickr", *languages)
    greedy, beam = (translator.score(sources, targets, beams=beams) for beams in (1, 5))
    print(
        f"Multi30k {'-'.join(languages)}, {arguments.cell}, attention {arguments.attention}: BLEU {beam:.2f} (greedy "
        f"{greedy:.2f}) on test 2016; {len(translator.history_)} epochs, {wall:.0f} s, {cpu:.0f} CPU-s"
    )


class EpochPrinter:
    """A callback that prints one line for each epoch."""

    def __init__(self) -> None:
        self.epoch = 1

    def __call__(self, now: training.Progress) -> None:
        """Print the validation loss at the end of an epoch."""
        if now.epoch > self.epoch:
            print(f"epoch {self.epoch}: validation {now.validation_loss:.4f}, {now.seconds:.0f} s", flush=True)
            self.epoch = now.epoch


def sides(split: str, *languages: str) -> tuple[list[str], list[str]]:
    """Return sources and targets."""
    root = Path(os.environ["THROUGHTIME_DATA"]) / "translation"
    files = (root / f"multi30k_en_{'fr' if name == 'fr' else 'de'}" / f"{split}.{name}.gz" for name in languages)
    source, target = (read_text_file(file).splitlines() for file in files)
    return source, target


if __name__ == "__main__":
    main()
