"""What training any estimator of sequences from the command line has in common."""

from __future__ import annotations

import io
import json
import math
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime import __version__
from throughtime._core.errors import InputError
from throughtime._core.escaping import escape_json
from throughtime.app.report.training import Source
from throughtime.app.run_directory import RUN

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughtime.app.console import ConsoleOutput
    from throughtime.app.jobs.tasks import ModelRequest, TrainRequest
    from throughtime.tasks.fingerprints import Overlap

INTERRUPTED = 130
"""Exit code after Ctrl-C, where a model was saved."""


def build_estimator(made: Callable[..., Any], settings: dict[str, Any], known: list[str]) -> Any:
    """An estimator with settings that a user gave, checked before any data are read.

    Raises:
        InputError: for a setting that there is not, or that cannot be used.
    """
    for name in settings:
        if name not in known:
            raise InputError(f"--set: expected one of {', '.join(known)}, got {name!r}")
    estimator = made(**settings)
    try:
        estimator.check_params()
    except InputError as error:
        raise InputError(name_option(str(error))) from error
    return estimator


OPTIONS = {
    "random_state": "--seed",
    "n_windows": "--windows",
    "step_size": "--step",
    "space": "--search",
    "top_k": "--top-k",
    "top_p": "--top-p",
    **{
        name: f"--{name}"
        for name in (
            "against", "budget", "cell", "decoder", "freq", "horizon", "likelihood", "missing", "preset", "storage",
            "temperature", "trials", "workers",
        )
    },
}  # fmt: skip
"""Options by the settings that they set; all others are set by --set NAME=VALUE."""


def name_option(sentence: str) -> str:
    """Return what is wrong with a setting as what is wrong with an option; other sentences stay as they are."""
    name, colon, rest = sentence.partition(":")
    if not colon or not name.isidentifier():
        return sentence
    return f"{OPTIONS.get(name, f'--set {name}')}{colon}{rest}"


def fit(estimator: Any, given: tuple[Any, ...], path: Path, screen: ConsoleOutput) -> bool:
    """Learn from what is given; returns whether it was interrupted with a model there already.

    Raises:
        InputError: for whatever a user can mend.
    """
    try:
        with screen.progress("Learning") as callback:
            estimator.fit(*given, callbacks=[callback])
    except InputError as error:
        setting = str(error).partition(":")[0]
        raise InputError(
            name_option(str(error)) if setting in estimator.get_params() else f"{path}: {error}"
        ) from error
    except KeyboardInterrupt:
        if not estimator.__sklearn_is_fitted__():
            raise
        return True
    screen.say(*estimator.notes_)
    return False


def overlap_to_json(overlap: Overlap | None) -> dict[str, Any]:
    """How much of the data that were given was learned from, for JSON."""
    if overlap is None:
        return {}
    in_training = int(overlap.in_training.sum()) if overlap.is_known else None
    figures = {
        "given": len(overlap.in_training),
        "learned_from": in_training,
        "training_scores": overlap.all_in_training,
    }
    return {"overlap": figures}


def describe(directory: Path, order: TrainRequest, task: str, result: dict[str, Any]) -> None:
    """Note how the run was made; `--overwrite` knows the directory by it."""
    run = {
        "throughtime": __version__,
        "command": command(),
        "task": task,
        "data": str(order.data),
        "test": None if order.test is None else str(order.test),
        "options": order.options,
        "settings": order.settings,
        "result": result,
    }
    (directory / RUN).write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def source(order: TrainRequest) -> Source:
    """Where a run came from, for its report."""
    return Source(order.data.name.split(".", 1)[0], command(), order.settings)


def command() -> str:
    """The command line as it was typed."""
    return shlex.join(["throughtime", *sys.argv[1:]])


def print_json(result: dict[str, Any]) -> None:
    """The result as one object in one line."""
    sys.stdout.write(escape_json(json.dumps(plain(result), ensure_ascii=False, allow_nan=False)) + "\n")


def plain(value: Any) -> Any:
    """The same without numbers that JSON does not know: null stands for infinity and for what is no number."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def deliver(
    request: ModelRequest, text: str, screen: ConsoleOutput, name: str, rows: list[Any], size: dict[str, int]
) -> None:
    """Write what was predicted to the file that was asked for, or to the screen.

    Args:
        request: says where to, and whether as JSON.
        text: what is written.
        screen: tells where it is.
        name: what it is called, such as 'predictions'.
        rows: the same for JSON.
        size: what JSON tells beside them.
    """
    to_screen = request.out is None or str(request.out) == "-"
    if not to_screen:
        assert request.out is not None
        write_whole(request.out, text)
        screen.say(f"{name.capitalize()}: {request.out}")
    if request.as_json:
        print_json({"model": str(request.model), **size, name: rows if to_screen else str(request.out)})
    elif to_screen:
        screen.write(text)


def write_whole(path: Path, text: str) -> None:
    """Write a file whole, or not at all.

    Raises:
        InputError: where it cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.absolute().parent, prefix=f".{path.name}-") as work:
            fresh = Path(work) / path.name
            fresh.write_text(text, encoding="utf-8")
            os.replace(fresh, path)
    except OSError as error:
        raise InputError(f"--out: {path} cannot be written: {error.strerror}") from error


def format_csv(columns: list[str], rows: list[list[Any]]) -> str:
    """Rows as CSV."""
    import csv

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *rows])
    return text.getvalue()
