"""The commands of the command line, in the order of the help.

A command imports what it does when it runs, so that help appears at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from throughtime import __version__
from throughtime.app.command_group import app as app
from throughtime.app.commands import forecasting as forecasting
from throughtime.app.commands import models as models

from throughtime.app.commands import monday as monday  # isort: skip
from throughtime.app.commands import serving as serving  # isort: skip
from throughtime.app.commands import machine as machine  # isort: skip


def print_version(requested: bool) -> None:
    """Print the version and exit, if that is requested."""
    if requested:
        typer.echo(f"throughtime {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Forecast, classify, tag, generate and translate sequences with recurrent networks."""
