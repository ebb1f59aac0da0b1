"""Names of generated files, which begin all names in them."""

from __future__ import annotations

import re

from throughtime._core.errors import InputError

_LONGEST = 40  # with what is appended still within the 63 characters that are significant in C99


def check_name(name: str) -> str:
    """Return a name that can begin identifiers of C and C++.

    Raises:
        InputError: says what such a name is.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or "__" in name or len(name) > _LONGEST:
        raise InputError(
            "export to C: expected a file name of letters, digits and single underscores, that begins with a letter "
            f"and has up to {_LONGEST} of them, since it begins all names in the code; got {name[:60]!r}"
        )
    return name


def to_name(text: str) -> str:
    """Return the name closest to a text, such as `throughtime_sales` for `throughtime-sales`."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
    return (name if name[:1].isalpha() else f"model_{name}".rstrip("_"))[:_LONGEST].rstrip("_")
