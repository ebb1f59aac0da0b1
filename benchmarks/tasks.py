"""Classifiers and taggers with their default settings on public sets, next to published figures.

    THROUGHTIME_DATA=… python benchmarks/tasks.py [ArrowHead mr ewt …] [--seeds 3]

Prints a line for each set and seed (for MR: for each fold that is held out, instead of seeds), with the seconds of
processor time of learning and predicting together.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from sklearn.metrics import accuracy_score, f1_score

from throughtime import SequenceClassifier, SequenceTagger
from throughtime.data.series.ts_files import read_ts
from throughtime.data.text.conll import read_conll

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLISHED = {
    "JapaneseVowels": "nearest neighbour 0.916",
    "BasicMotions": "nearest neighbour 0.600",
    "ItalyPowerDemand": "nearest neighbour 0.955",
    "ArrowHead": "nearest neighbour 0.800",
    "emotion": "",
    "mr": "CNN without pretrained vectors 0.759 to 0.761 (Kim 2014)",
    "ewt": "taggers of this kind, with pretrained vectors, about 0.95 to 0.96",
    "wnut17": "",
}


def main() -> None:
    """Run the sets that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=[*PUBLISHED], help=", ".join(PUBLISHED))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.sets:
        print(name, f"({PUBLISHED[name]})" if PUBLISHED[name] else "")
        for seed in range(arguments.seeds):
            started = time.process_time()
            line = RUNS.get(name, series)(name, seed)
            print(f"  {line}, {time.process_time() - started:.0f} CPU-s", flush=True)


def series(name: str, seed: int) -> str:
    """Sequences of numbers, from the archive of time series classification."""
    train, test = (read_ts(data(f"classification/ucr_uea/{name}/{name}_{split}.ts")) for split in ("TRAIN", "TEST"))
    return f"seed {seed}: accuracy {SequenceClassifier(random_state=seed).fit(*train).score(*test):.4f}"


def mr(_: str, fold: int) -> str:
    """Reviews: positive or negative."""
    frame = pd.read_csv(data("classification/mr/mr.tsv"), sep="\t", quoting=3)
    train, test = frame[frame["fold"] != fold], frame[frame["fold"] == fold]
    accuracy = SequenceClassifier().fit(train["text"], train["label"]).score(test["text"], test["label"])
    return f"fold {fold}: accuracy {accuracy:.4f}"


def emotion(_: str, seed: int) -> str:
    """Tweets with one of six emotions."""
    train, test = (
        pd.read_csv(data(f"classification/emotion/{split}.tsv"), sep="\t", quoting=3) for split in ("train", "test")
    )
    predicted = SequenceClassifier(random_state=seed).fit(train["text"], train["label"]).predict(test["text"])
    scores = accuracy_score(test["label"], predicted), f1_score(test["label"], predicted, average="macro")
    return f"seed {seed}: accuracy {scores[0]:.4f}, macro-F1 {scores[1]:.4f}"


def ewt(_: str, seed: int) -> str:
    """Parts of speech of English."""
    files = (data(f"tagging/ud_english_ewt/en_ewt-ud-{split}.conllu.gz") for split in ("train", "test"))
    train, test = (read_conll(file)[:2] for file in files)
    return f"seed {seed}: accuracy {SequenceTagger(random_state=seed).fit(*train).score(*test):.4f}"


def wnut17(_: str, seed: int) -> str:
    """Entities in noisy texts."""
    train, test = (read_conll(data(f"tagging/wnut17/{split}.conll"))[:2] for split in ("train", "test"))
    score = SequenceTagger(random_state=seed).fit(*train).evaluate(*test).entities
    assert score is not None
    return f"seed {seed}: entity F1 {score.f1:.3f}, precision {score.precision:.3f}, recall {score.recall:.3f}"


RUNS: dict[str, Callable[[str, int], str]] = {"mr": mr, "emotion": emotion, "ewt": ewt, "wnut17": wnut17}


def data(name: str) -> Path:
    """Where a file of the data sets lies."""
    return Path(os.environ["THROUGHTIME_DATA"]) / name


if __name__ == "__main__":
    main()
