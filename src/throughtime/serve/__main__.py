"""`python -m throughtime.serve`: the server where only the runtime is installed; `throughtime serve` is the same."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from throughtime._core.errors import InputError
from throughtime.serve.limits import OPTIONS, Limits
from throughtime.serve.server import serve


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with the options of `throughtime serve`."""
    options = argparse.ArgumentParser("python -m throughtime.serve", description="Serve a trained network over HTTP.")
    options.add_argument("model", type=Path, help="Model directory.")
    options.add_argument("--host", default="127.0.0.1", help="Address; one that others can reach needs a token.")
    options.add_argument("--port", type=int, default=8000, help="Port; 0 for any that is free.")
    options.add_argument(
        "--token-file", type=Path, help="File with the token that requests must bear; by default THROUGHTIME_TOKEN."
    )
    for name, bound in OPTIONS.items():
        kind = int if isinstance(bound.default, int) else float
        text = bound.metadata["help"]
        options.add_argument(f"--{name.replace('_', '-')}", type=kind, default=bound.default, help=text)
    return options


def main() -> int:
    """Serve, and return the exit code: 2 for what cannot be served."""
    settings = vars(parser().parse_args())
    try:
        limits = Limits(**{name: settings.pop(name) for name in OPTIONS})
        serve(settings.pop("model"), limits=limits, **settings)
    except InputError as error:
        sys.stderr.write(f"throughtime: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
