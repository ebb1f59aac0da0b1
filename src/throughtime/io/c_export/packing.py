"""Matrices of weights in the order in which the code reads them, as float32 or as int8."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from throughtime.io.c_export.functions import ROWS

WEIGHTS = ("float32", "int8")
"""How weights can be stored. Biases, and other weights than matrices, are always float32."""


class Block(NamedTuple):
    """Rows of a matrix that one function computes.

    Attributes:
        rows: of a block; 1 for rows that are computed one by one.
        blocks: their number.
        first: the first row.
    """

    rows: int
    blocks: int
    first: int


def split_rows(rows: int) -> list[Block]:
    """Return how the rows of a matrix are computed."""
    blocks, first = [], 0
    for size in (*ROWS, 1):
        count = (rows - first) // size
        if count:
            blocks.append(Block(size, count, first))
            first += count * size
    return blocks


def pack(weight: np.ndarray) -> np.ndarray:
    """Return a matrix (R, K) block by block: within a block, the weights of a column are contiguous."""
    parts = []
    for size, count, first in split_rows(len(weight)):
        rows = weight[first : first + size * count].reshape(count, size, -1)
        parts.append(rows.transpose(0, 2, 1).ravel())
    return np.concatenate(parts)


def quantize(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a matrix as int8, and the scale of each row: the greatest weight of a row becomes 127 or -127."""
    greatest = np.abs(weight).max(1).astype(np.float64)
    scale = np.where(greatest > 0, greatest / 127, 1).astype(np.float32)
    whole = np.rint(weight.astype(np.float64) / scale[:, None])
    return np.clip(whole, -127, 127).astype(np.int8), scale
