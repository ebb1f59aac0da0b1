"""Faults that tests must detect: a module for each folder of the package, a row for each check.

Each module holds a list `MUTATIONS`; `all_mutations` collects them.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import NamedTuple


class Mutation(NamedTuple):
    """One change of the package, and the test that must fail on it."""

    file: str  # in the package
    old: str
    new: str
    test: str  # in tests/


def all_mutations() -> list[Mutation]:
    """Return the rows of all modules."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [row for name in names for row in importlib.import_module(f"{__name__}.{name}").MUTATIONS]
