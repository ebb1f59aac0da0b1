"""The command that serves a trained model."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer evaluates the annotations
from typing import Annotated

import typer

from throughtime._core.errors import requires
from throughtime.app.command_group import command
from throughtime.app.options import Model, positive_int


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
    streams: Annotated[int, typer.Option(callback=positive_int, help="Streams that may exist at once.")] = 10_000,
    steps: Annotated[int, typer.Option(callback=positive_int, help="Steps of a request at most.")] = 10_000,
    body_bytes: Annotated[int, typer.Option(callback=positive_int, help="Bytes of a request at most.")] = 2**20,
    queue: Annotated[int, typer.Option(callback=positive_int, help="Requests that may wait at once.")] = 1_000,
    seconds: Annotated[float, typer.Option(min=0.001, help="Seconds until a request is answered.")] = 30.0,
    idle_seconds: Annotated[
        float | None,
        typer.Option(min=0.001, help="Delete streams that are not used for so long.", show_default="never"),
    ] = None,
) -> None:
    """Serve a trained network over HTTP: whole sequences, and streams that keep their state."""
    from throughtime.app.run_directory import model_directory

    directory = model_directory(model)
    with requires("serve", "throughtime serve"):
        from throughtime.serve.limits import Limits
        from throughtime.serve.server import serve as run

    limits = Limits(
        body_bytes=body_bytes, steps=steps, streams=streams, queue=queue, seconds=seconds, idle_seconds=idle_seconds
    )
    run(directory, host=host, port=port, token_file=token_file, limits=limits)
