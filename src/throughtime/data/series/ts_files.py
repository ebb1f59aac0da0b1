"""Read `.ts` files of the UCR and UEA archives: a case a line, channels between colons, and its class at the end.

Source of the format: Löning et al. 2019, sktime: A Unified Interface for Machine Learning with Time Series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.files import read_text, split_lines

if TYPE_CHECKING:
    from pathlib import Path

    from jaxtyping import Float

_MISSING = "?"
_EXPECTED = "header lines that begin with @, @data, and a case a line"


def read_ts(path: Path) -> tuple[list[Float[np.ndarray, "_ I"]], list[str]]:
    """Read the sequences of a `.ts` file, and the class of each; '' if the file has no classes.

    Missing values, '?' in the file, are NaN.

    Raises:
        InputError: names the first invalid line.
    """
    header: dict[str, list[str]] = {}
    sequences: list[np.ndarray] = []
    labels: list[str] = []
    for number, line in enumerate(map(str.strip, split_lines(read_text(path, _EXPECTED, ".ts"))), 1):
        if not line or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        if "data" not in header:
            _read_header(line, header, where)
            continue
        fields = line.split(":")
        labels.append(_parse_label(fields.pop(), header, where) if _has_labels(header) else "")
        sequences.append(_parse_case(fields, where))
        _check_length(len(sequences[-1]), header, where)
        channels, expected = sequences[-1].shape[1], sequences[0].shape[1]
        if channels != expected:
            raise InputError(f"{where}: expected {expected} channels as in the first case, got {channels}")
    if not sequences:
        missing = "a case after @data" if "data" in header else f"{_EXPECTED}; there is no line @data"
        raise InputError(f"{path}: expected {missing}")
    return sequences, labels


def _read_header(line: str, header: dict[str, list[str]], where: str) -> None:
    if not line.startswith("@"):
        raise InputError(f"{where}: expected a header line that begins with @ before @data, got {line[:40]!r}")
    name, *values = line[1:].split() or [""]
    header[name.lower()] = values
    if not values or values[0].lower() != "true":
        return
    if name.lower() == "timestamps":
        raise InputError(f"{where}: expected values without time stamps; write the file with @timeStamps false")
    if name.lower() == "targetlabel":
        raise InputError(f"{where}: expected classes, as @classLabel names them, got numbers to predict (@targetLabel)")


def _check_length(length: int, header: dict[str, list[str]], where: str) -> None:
    """Raise if a case does not have the length that the header states for all cases."""
    stated = header.get("serieslength", [""])[:1] if header.get("equallength", [""])[:1] == ["true"] else []
    if stated and stated[0].isdigit() and length != int(stated[0]):
        raise InputError(f"{where}: expected {stated[0]} values, as @seriesLength states for all cases, got {length}")


def _has_labels(header: dict[str, list[str]]) -> bool:
    return header.get("classlabel", ["false"])[0].lower() == "true"


def _parse_label(text: str, header: dict[str, list[str]], where: str) -> str:
    label, classes = text.strip(), header["classlabel"][1:]
    if classes and label not in classes:
        raise InputError(f"{where}: expected one of the classes {', '.join(classes)} at the end, got {label[:40]!r}")
    return label


def _parse_case(channels: list[str], where: str) -> Float[np.ndarray, "T I"]:
    if not channels:
        raise InputError(f"{where}: expected values, a colon and a class, got no colon")
    columns = [_parse_channel(channel, where, number) for number, channel in enumerate(channels, 1)]
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise InputError(f"{where}: expected channels of one length, got {min(lengths)} to {max(lengths)} values")
    return np.stack(columns, 1)


def _parse_channel(text: str, where: str, channel: int) -> Float[np.ndarray, "T"]:
    cells = ["nan" if cell.strip() == _MISSING else cell for cell in text.split(",")]
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        invalid = next(cell for cell in cells if not _is_number(cell)).strip()
        reason = f"{invalid[:40]!r} is not a number" if invalid else f"the value is missing; write {_MISSING} for it"
        raise InputError(f"{where}, channel {channel}: {reason}") from None
    for value in values[np.isinf(values)][:1]:
        raise InputError(f"{where}, channel {channel}: expected finite numbers, got {value}")
    return values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
