"""The two distributions that install this package: throughtime, and throughtime-runtime, which is a part of it.

Both have the same files, so that two of them in one environment must be of one version.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from throughtime._core.errors import MissingPackageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL, _RUNTIME = "throughtime", "throughtime-runtime"
_METADATA = ".dist-info"


def require_one_version(site_packages: str) -> None:
    """Check the distributions that are installed in a folder.

    Raises:
        ImportError: if both are installed, in different versions.
    """
    names = (entry.name for entry in os.scandir(site_packages) if entry.name.startswith("throughtime"))
    installed = [name.removesuffix(_METADATA).partition("-") for name in names if name.endswith(_METADATA)]
    versions = {name.replace("_", "-"): version for name, _, version in installed}
    if len({versions.get(name) for name in (_FULL, _RUNTIME)} - {None}) > 1:
        raise ImportError(
            f"{_FULL} {versions[_FULL]} and {_RUNTIME} {versions[_RUNTIME]} are installed, and share their files: "
            f"pip uninstall -y {_FULL} {_RUNTIME}, then install one of them"
        )


@contextmanager
def requires_full_distribution(name: str) -> Iterator[None]:
    """Name the command that installs the modules which throughtime-runtime does not have.

    Args:
        name: what is imported in this block, for the message.

    Raises:
        MissingPackageError: for a module of this package that is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("throughtime."):
            raise
        sentence = f"{name} is not part of {_RUNTIME}, which only runs models: pip install {_FULL}"
        raise MissingPackageError(sentence, name=error.name) from error
