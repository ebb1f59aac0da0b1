"""`python -m throughtime` is the command line."""

from throughtime.app.cli import main

main()
