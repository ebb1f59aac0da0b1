"""The size on disk of each installation of throughtime, in megabytes: `python -m tools.installed_size`.

It adds the files that the distributions of an extra, and those that they require, have in this environment. So it needs
an environment with everything, as `make test` sets it up, and downloads nothing.
"""

from __future__ import annotations

import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tools.runtime_distribution import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

RUNTIME = tomllib.loads((ROOT / "packaging" / "runtime" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FULL = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@cache
def distribution_size(name: str) -> int:
    """Return the bytes of the files of an installed distribution."""
    files = metadata.distribution(name).files or []
    paths = (Path(str(file.locate())) for file in files)
    return sum(path.stat().st_size for path in paths if path.is_file())


def find_distributions(lines: Iterable[str]) -> set[str]:
    """Return the names of what requirements install, with what that requires in turn; not throughtime itself."""
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(line), "") for line in lines]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for requested in {"", *requirement.extras}:
            if (name, requested) in seen:
                continue
            seen.add((name, requested))
            waiting += [(Requirement(line), requested) for line in metadata.requires(name) or []]
    return {name for name, _ in seen} - {"throughtime"}


def main() -> int:
    """Print a table of installations."""
    extras = FULL["optional-dependencies"]
    installations = {
        "throughtime-runtime": RUNTIME["dependencies"],
        **{f"throughtime-runtime[{extra}]": [*RUNTIME["dependencies"], *lines]
           for extra, lines in RUNTIME.get("optional-dependencies", {}).items()},
        "throughtime": FULL["dependencies"],
        **{f"throughtime[{extra}]": [*FULL["dependencies"], *extras[extra]]
           for extra in ("forecast", "text", "music", "all")},
    }  # fmt: skip
    print(f"torch {metadata.version('torch')}, {sys.platform}, Python {sys.version.split()[0]}")
    for installation, lines in installations.items():
        names = find_distributions(lines)
        total, torch = (sum(map(distribution_size, group)) / 1e6 for group in (names, names & {"torch"}))
        print(f"{installation:30} {total:6.0f} MB, of them torch {torch:4.0f}; {len(names)} distributions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
