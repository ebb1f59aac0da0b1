"""The entry of the command line: exit codes and one sentence for every fault.

0: done. 2: something that the user can mend. 130: Ctrl-C. 1: anything else, which is a fault of ours or of the machine;
the traceback is shown where THROUGHTIME_DEBUG is set. The verbs stand in `commands.py`.
"""

from __future__ import annotations

import os
import sys

from throughtime._errors import InputError


def main() -> None:
    """Run the command line and end the process."""
    try:
        from throughtime.app.commands import app

        app(prog_name="throughtime")
    except BaseException as error:
        if isinstance(error, SystemExit) or os.environ.get("THROUGHTIME_DEBUG"):
            raise
        code, sentence = _fault(error)
        sys.stderr.write(f"throughtime: {' '.join(sentence.split())}\n")
        sys.exit(code)


def _fault(error: BaseException) -> tuple[int, str]:
    """The exit code of a fault and what to say about it."""
    match error:
        case KeyboardInterrupt():
            return 130, "interrupted; nothing was written"
        case InputError():
            return 2, str(error)
        case ModuleNotFoundError():
            return 2, f"{error.name} is not installed: pip install 'throughtime[all]'"
        case _:
            return 1, f"{type(error).__name__}: {error}; set THROUGHTIME_DEBUG=1 to see where"
