"""The command that measures this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from throughtime.app.command_group import command
from throughtime.app.options import Json  # noqa: TC001 - Typer evaluates the annotations


@command("throughtime bench", "throughtime bench --seconds 1 --json")
def bench(
    *,
    seconds: Annotated[float, typer.Option(help="Seconds for each of the 54 rows.")] = 0.3,
    json: Json = False,
) -> None:
    """Measure the speed of the layers relative to torch.nn, ONNX Runtime and JAX, and print the ratios."""
    from throughtime.app.bench.benchmark import run

    run(seconds=seconds, as_json=json)
