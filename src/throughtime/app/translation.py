"""`throughtime train translate`, and the use of a translator: pairs of sentences from files, translations out."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import throughtime
from throughtime import training
from throughtime._errors import InputError
from throughtime.app.generate import write
from throughtime.app.places import RUN, check_free
from throughtime.app.screen import Screen
from throughtime.data.stream import read_text
from throughtime.data.subwords import SubwordSettings
from throughtime.tasks.translation import SequenceTranslator

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.places import Place

_INTERRUPTED = 130
_HELD_OUT = 0.05  # share of the pairs that the result is judged by
_SHOWN = 5  # translations that a training leaves, with their alignments


def train(order: Any) -> int:
    """Train as `throughtime train` asks for it."""
    return train_translate(order.data, order.settings, order.place, test=order.test, as_json=order.as_json)


def predict(job: Any) -> None:
    """Translate each line of a file."""
    check_free(job.out, overwrite=job.overwrite)
    found = throughtime.load(job.model).predict(read_text(job.data).splitlines())
    if job.out is not None and str(job.out) != "-":
        write(job.out, "".join(f"{line}\n" for line in found))
        Screen().say(f"Translations: {job.out}")
        if job.as_json:
            sys.stdout.write(json.dumps({"model": str(job.model), "predictions": str(job.out)}) + "\n")
    elif job.as_json:
        sys.stdout.write(json.dumps({"model": str(job.model), "predictions": found}, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in found))


def evaluate(job: Any) -> None:
    """BLEU on a file of pairs that the translator has not seen."""
    sources, targets = read_pairs(job.data)
    bleu = round(throughtime.load(job.model).score(sources, targets), 2)
    if job.as_json:
        sys.stdout.write(json.dumps({"model": str(job.model), "pairs": len(sources), "bleu": bleu}) + "\n")
    else:
        Screen().show(f"BLEU {bleu} on {len(sources):,} pairs")


def train_translate(
    data: Path, settings: dict[str, Any], place: Place, *, test: Path | None = None, as_json: bool
) -> int:
    """Train a translator on a table with a source and a target in each line, separated by a tab.

    A file of pairs for that judges the result, or else the last twentieth, which is not trained on.

    Args:
        data: the file, perhaps gzipped.
        settings: of `SequenceTranslator`; 'vocabulary_size' and 'lowercase' set its vocabulary.
        place: where the run is written.
        test: a file to judge by.
        as_json: whether to print one JSON object.

    Returns:
        The exit code: 0, or 130 after Ctrl-C, where the best model so far is kept.

    Raises:
        InputError: for whatever a user can mend.
    """
    started, screen = time.monotonic(), Screen()
    translator = _translator(settings)
    sources, targets = read_pairs(data)
    if test is not None:
        unseen = read_pairs(test)
    else:
        cut = len(sources) - max(round(len(sources) * _HELD_OUT), 1)
        if cut < 1:
            raise InputError(f"{data}: expected two pairs or more, got {len(sources)}")
        unseen = sources[cut:], targets[cut:]
        sources, targets = sources[:cut], targets[:cut]
    interrupted = False
    with place.building() as directory:
        try:
            with screen.progress("Learning") as callback:
                translator.fit(sources, targets, callbacks=[callback])
        except InputError as error:
            raise InputError(f"{data}: {error}") from error
        except training.Interrupted:
            interrupted = True
        translator.save(directory / "model")
        _write_examples(translator, directory, *unseen)
        result = {
            "model": str(place.path / "model"),
            "pairs": len(sources),
            "test": {"pairs": len(unseen[0]), "bleu": round(translator.score(*unseen), 2)},
            "seconds": round(time.monotonic() - started, 2),
        }
        run = {"throughtime": throughtime.__version__, "data": str(data), "settings": settings, "result": result}
        (directory / RUN).write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if interrupted:
        screen.say(f"Interrupted: the best model so far is in {place.path}.")
        return _INTERRUPTED
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    else:
        screen.show(f"BLEU {result['test']['bleu']} on {result['test']['pairs']:,} unseen pairs", style="bold")
        screen.show(f"\nModel     {result['model']}\nExamples  {place.path / 'examples.tsv'}")
    return 0


def read_pairs(path: Path) -> tuple[list[str], list[str]]:
    """Sources and targets of a file with a pair in each line, separated by a tab.

    Raises:
        InputError: for a line that is no pair, named by its number.
    """
    sources, targets = [], []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) != 2 or not all(cell.strip() for cell in cells):
            raise InputError(
                f"{path}, line {number}: expected a sentence, a tab and its translation, got {len(cells)} "
                f"{'cell' if len(cells) == 1 else 'cells'}{' with an empty one' * (len(cells) == 2)}"
            )
        sources.append(cells[0].strip())
        targets.append(cells[1].strip())
    return sources, targets


def _translator(settings: dict[str, Any]) -> SequenceTranslator:
    chosen = dict(settings)
    names = {"vocabulary_size": "size", "lowercase": "lowercase", "subwords": "kind"}
    vocabulary = {inner: chosen.pop(name) for name, inner in names.items() if name in chosen}
    known = SequenceTranslator().get_params()
    unknown = next((name for name in chosen if name not in known), None)
    if unknown is not None:
        raise InputError(f"--{unknown}: no setting of a translator; there are {', '.join([*known, *names])}")
    if vocabulary:
        chosen["vocabulary"] = SubwordSettings(**vocabulary)
    translator = SequenceTranslator(**chosen)
    try:
        translator.check_settings()
    except InputError as error:
        raise InputError(f"--{error}") from error
    return translator


def _write_examples(translator: SequenceTranslator, directory: Path, sources: list[str], targets: list[str]) -> None:
    found = translator.predict(sources[:_SHOWN])
    table = io.StringIO()
    rows = csv.writer(table, delimiter="\t", lineterminator="\n")
    rows.writerow(["source", "reference", "translation"])
    rows.writerows(zip(sources, targets, found, strict=False))
    (directory / "examples.tsv").write_text(table.getvalue(), encoding="utf-8")
    if translator.attention is not None:
        translator.plot_alignment(sources[0]).savefig(directory / "alignment.png", dpi=110)
