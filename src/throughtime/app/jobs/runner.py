"""The one run of all training commands: prepare, fit, evaluate, write the directory, print the result."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from throughtime import __version__
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.output import command_line, json_file, print_result
from throughtime.app.report.training import RunSource
from throughtime.app.run_directory import RUN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from throughtime.app.jobs.requests import TrainRequest
    from throughtime.app.output import FileWriter
    from throughtime.app.run_directory import RunDirectory

INTERRUPTED = 130
"""Exit code after Ctrl-C, whether or not a model was saved."""


@dataclass(frozen=True)
class Outcome:
    """What the evaluation of a trained model gives.

    Attributes:
        files: writers of the files of the run, by name.
        result: what the JSON object holds after the names of the files.
        show: prints the result for a person.
    """

    files: Mapping[str, FileWriter]
    result: dict[str, Any]
    show: Callable[[ConsoleOutput], None]


@dataclass(frozen=True)
class Training:
    """The steps of a training command, and what its run is called.

    Attributes:
        fit: trains.
        is_fitted: whether there is a model, also after an interrupt.
        evaluate: scores the model.
        save: writes the model, and what it predicts in any case, into the directory of the run.
        results: the names in the result of files of the run, such as {"report": "report.html"}.
        record: what the record of the run holds of the request.
        heading: what the JSON object holds before the names of the files.
        kept: what an interrupted run leaves.
    """

    fit: Callable[[], None]
    is_fitted: Callable[[], bool]
    evaluate: Callable[[], Outcome]
    save: Callable[[Path], None]
    results: Mapping[str, str]
    record: Mapping[str, Any]
    heading: Mapping[str, Any] = field(default_factory=dict)
    kept: str = "the best model so far is"


def run_training(prepare: Callable[[ConsoleOutput], Training], directory: RunDirectory, *, as_json: bool) -> int:
    """Run a training command, and return its exit code: 0, or 130 after Ctrl-C.

    Args:
        prepare: reads the data and returns the steps.
        directory: where the run is written.
        as_json: print the result as one JSON object.

    Raises:
        InputError: for data, settings and files that cannot be used.
    """
    started, console = time.monotonic(), ConsoleOutput()
    training = prepare(console)
    with directory.building() as work:
        outcome = _fit_and_evaluate(training)
        training.save(work)
        result: dict[str, Any] = {}
        if outcome is not None:
            result = {**training.heading, **training.results, **outcome.result}
            result["seconds"] = round(time.monotonic() - started, 2)
        record = {"throughtime": __version__, "command": command_line(), **training.record, "result": result}
        json_file(record)(work / RUN)
        for name, write in ({} if outcome is None else outcome.files).items():
            write(work / name)
    if outcome is None:
        console.say(f"Interrupted: {training.kept} in {directory.path}.")
        return INTERRUPTED
    result = directory.locate(result)

    def show() -> None:
        outcome.show(console)
        _show_files(console, {name: result[name] for name in training.results})

    print_result(result, show, as_json=as_json)
    return 0


def _fit_and_evaluate(training: Training) -> Outcome | None:
    """Return None after Ctrl-C if there is a model."""
    try:
        training.fit()
        return training.evaluate()
    except KeyboardInterrupt:
        if not training.is_fitted():
            raise
        return None


def _show_files(console: ConsoleOutput, files: Mapping[str, str]) -> None:
    width = max(map(len, files)) + 2
    names = sorted(files, key=lambda name: (name == "report", name))
    console.show("\n" + "\n".join(f"{name.capitalize():{width}}{files[name]}" for name in names))


def build_estimator(create: Callable[..., Any], settings: dict[str, Any], supported: Sequence[str]) -> Any:
    """Return an estimator with the settings of a user, checked before the data are read.

    Raises:
        InputError: for an unknown setting, and for a value that cannot be used.
    """
    for name in settings:
        if name not in supported:
            raise InputError(f"--set: expected one of {', '.join(supported)}, got {name!r}")
    estimator = create(**settings)
    with located_errors():
        estimator.check_params()
    return estimator


def fit_estimator(
    estimator: Any, data: Sequence[Any], path: Path, console: ConsoleOutput, settings: Collection[str] | None = None
) -> None:
    """Fit an estimator with a progress bar, and print its notes.

    Raises:
        InputError: for data and settings that cannot be used.
    """
    with located_errors(path, settings or estimator.get_params()), console.progress("Training") as callback:
        estimator.fit(*data, callbacks=[callback])
    console.say(*estimator.notes_)


def estimator_training(
    task: str,
    request: TrainRequest,
    estimator: Any,
    data: Sequence[Any],
    evaluate: Callable[[], Outcome],
    results: Mapping[str, str],
    console: ConsoleOutput,
) -> Training:
    """Return the steps of `throughtime train` for an estimator of sequences."""
    return Training(
        fit=lambda: fit_estimator(estimator, data, request.data, console),
        is_fitted=estimator.__sklearn_is_fitted__,
        evaluate=evaluate,
        save=lambda directory: estimator.save(directory / "model"),
        results=results,
        record={"task": task, **request.to_json()},
        heading={"task": task},
    )


def run_source(request: TrainRequest) -> RunSource:
    """Return what the report of a run shows of its request."""
    return RunSource(request.data.name.split(".", 1)[0], command_line(), request.settings)
