"""The command line, as `python -m throughtime`."""

from throughtime.app.cli import main

main()
