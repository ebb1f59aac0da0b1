"""Where predictions and scores of a trained model go: a file, the standard output, or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime.app.output import STDOUT, print_json, print_result, text_file, write_output

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughtime.app.console import ConsoleOutput
    from throughtime.app.jobs.requests import ModelRequest
    from throughtime.tasks.fingerprints import Overlap


def deliver_predictions(
    request: ModelRequest, name: str, text: str, records: list[Any], size: dict[str, int], console: ConsoleOutput
) -> None:
    """Write predictions to the file of a request, or print them.

    Args:
        request: names the file, and whether the result is printed as JSON.
        name: what the predictions are called, such as 'predictions'.
        text: content of the file.
        records: the predictions as JSON.
        size: what the JSON object holds before them.
        console: reports the file.
    """
    to_file = request.out is not None and str(request.out) != STDOUT
    if to_file:
        assert request.out is not None
        write_output(request.out, text_file(text))
        console.say(f"{name.capitalize()}: {request.out}")
    if request.as_json:
        print_json({"model": str(request.model), **size, name: str(request.out) if to_file else records})
    elif not to_file:
        console.write(text)


def deliver_scores(request: ModelRequest, scores: dict[str, Any], show: Callable[[], object]) -> None:
    """Print the scores of a model as JSON, or as text with `show`."""
    print_result({"model": str(request.model), **scores}, show, as_json=request.as_json)


def overlap_to_json(overlap: Overlap | None) -> dict[str, Any]:
    """Return how much of the data that a model is scored on was in its training."""
    if overlap is None:
        return {}
    learned_from = int(overlap.in_training.sum()) if overlap.is_known else None
    figures = {
        "given": len(overlap.in_training),
        "learned_from": learned_from,
        "training_scores": overlap.all_in_training,
    }
    return {"overlap": figures}
