"""The command that serves a trained model."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer evaluates the annotations
from typing import Annotated, Any

import typer

from throughtime._core.errors import requires
from throughtime.app.command_group import command
from throughtime.app.options import Model, positive_int
from throughtime.serve.limits import OPTIONS, Limits

_DEFAULTS = Limits()


def _bound(name: str, **settings: Any) -> Any:
    """Return the option of a bound of the server."""
    return typer.Option(help=OPTIONS[name].metadata["help"], **settings)


@command(
    "throughtime serve network --port 8000",
    "throughtime serve network --host 0.0.0.0 --streams 50000",
)
def serve(
    model: Model,
    *,
    host: Annotated[str, typer.Option(help="Address; one that others can reach needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any that is free.")] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token that requests must bear.", show_default="THROUGHTIME_TOKEN"),
    ] = None,
    streams: Annotated[int, _bound("streams", callback=positive_int)] = _DEFAULTS.streams,
    steps: Annotated[int, _bound("steps", callback=positive_int)] = _DEFAULTS.steps,
    body_bytes: Annotated[int, _bound("body_bytes", callback=positive_int)] = _DEFAULTS.body_bytes,
    queue: Annotated[int, _bound("queue", callback=positive_int)] = _DEFAULTS.queue,
    seconds: Annotated[float, _bound("seconds", min=0.001)] = _DEFAULTS.seconds,
    idle_seconds: Annotated[
        float | None, _bound("idle_seconds", min=0.001, show_default="never")
    ] = _DEFAULTS.idle_seconds,
) -> None:
    """Serve a trained network over HTTP: whole sequences, and streams that keep their state."""
    from throughtime.app.run_directory import model_directory

    directory = model_directory(model)
    with requires("serve", "throughtime serve"):
        from throughtime.serve.server import serve as run

    limits = Limits(
        body_bytes=body_bytes, steps=steps, streams=streams, queue=queue, seconds=seconds, idle_seconds=idle_seconds
    )
    run(directory, host=host, port=port, token_file=token_file, limits=limits)
