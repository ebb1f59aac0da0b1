"""Files that are written whole or not at all.

The content goes to a temporary file in a staging directory next to the target (see `atomic_directories`), is flushed
to disk and then renamed. A failure, an interrupt, a kill or a power cut leaves the old file, or none. The temporary
file of a killed writer is removed by the next one.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from throughtime.io import atomic_directories

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the path of a new file that replaces `path` at the end, unless an exception leaves the block.

    Symbolic links are followed, and the permissions of a file that is replaced are kept.

    Raises:
        OSError: if the file cannot be written.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "scores.csv"
    >>> with atomic_write(target) as temporary:
    ...     _ = temporary.write_text("mase,0.5")
    >>> target.read_text()
    'mase,0.5'
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target.parent))
    with atomic_directories.staging(target) as directory:
        temporary = directory / target.name
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    atomic_directories.flush_directory(target.parent)
