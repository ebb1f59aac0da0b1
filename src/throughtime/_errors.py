"""The error that a user can mend."""


class InputError(ValueError):
    """Tell a user what was expected, what came and what to do, in one sentence.

    Raised wherever data, a file or an option cannot be used. The command line prints it without a traceback and ends
    with exit code 2.
    """
