"""The error that a user can mend."""

from throughtime._readable import readable


class InputError(ValueError):
    """Tell a user what was expected, what came and what to do, in one sentence.

    Raised wherever data, a file or an option cannot be used. The command line prints it without a traceback and ends
    with exit code 2.
    """

    def __str__(self) -> str:
        """Return the sentence, in which names from data cannot command a terminal."""
        return readable(super().__str__())
