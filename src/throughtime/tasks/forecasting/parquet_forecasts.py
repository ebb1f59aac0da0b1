"""Forecasts of more series than fit into memory: Parquet in, Parquet out, a chunk of whole series at a time."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError
from throughtime.io.atomic_files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughtime.data.series.parquet import ParquetSeries
    from throughtime.tasks.forecasting.estimator import Forecaster


def predict_parquet(
    forecaster: Forecaster,
    source: ParquetSeries,
    out: str | os.PathLike[str],
    *,
    options: dict[str, Any],
    overwrite: bool,
    on_progress: Callable[[int], None],
) -> int:
    """Forecast all series of some files into a new file, which is written whole or not at all.

    Returns:
        The number of series that were forecast.

    Raises:
        InputError: for a file that exists or cannot be written, and for series that cannot be forecast, by their file.
    """
    target = Path(out)
    if os.path.lexists(target) and not (overwrite and target.is_file()):
        raise InputError(f"{target} exists; name another file, or replace it with overwrite")
    try:
        with atomic_write(target) as temporary:
            return _write(forecaster, source, temporary, options, on_progress)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror or error}") from error


def _write(
    forecaster: Forecaster,
    source: ParquetSeries,
    path: Path,
    options: dict[str, Any],
    on_progress: Callable[[int], None],
) -> int:
    """Write one row group per chunk."""
    import pyarrow.parquet as pq

    covariates = [feature.name for feature in forecaster.panel_.exogenous.features]
    writer, count = None, 0
    with path.open("wb") as file, ExitStack() as stack:
        for chunk in source.iter_chunks(covariates):
            try:
                forecasts = forecaster.predict(chunk.table, **options)
            except InputError as error:
                raise InputError(f"{chunk.files}: {error}") from error
            writer = writer or stack.enter_context(pq.ParquetWriter(file, forecasts.schema))
            writer.write_table(forecasts)
            count += len(forecasts) // (options["horizon"] or forecaster.horizon)
            on_progress(count)
    return count
