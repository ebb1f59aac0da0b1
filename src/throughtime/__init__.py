"""Recurrent networks, trained through time.

`throughtime.nn` has the layers, `throughtime.training` trains them, and the estimators are at the top level. Every name
is loaded at its first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from throughtime._core.distribution_packages import require_one_version, requires_full_distribution
from throughtime._core.errors import requires
from throughtime._core.version import __version__

if TYPE_CHECKING:
    from throughtime import nn as nn
    from throughtime import training as training
    from throughtime._core.errors import InputError as InputError
    from throughtime._core.errors import InputWarning as InputWarning
    from throughtime._core.kernel_selection import which_path as which_path
    from throughtime.data import datasets as datasets
    from throughtime.data.series.covariates import Covariates as Covariates
    from throughtime.data.series.parquet import ParquetSeries as ParquetSeries
    from throughtime.io.export_formats import export as export
    from throughtime.io.keras import from_keras as from_keras
    from throughtime.io.keras import to_keras as to_keras
    from throughtime.io.network import save as save
    from throughtime.io.onnx_import import from_onnx as from_onnx
    from throughtime.tasks.classification import SequenceClassifier as SequenceClassifier
    from throughtime.tasks.forecasting import Forecaster as Forecaster
    from throughtime.tasks.forecasting import Preset as Preset
    from throughtime.tasks.forecasting import compare as compare
    from throughtime.tasks.forecasting import tune as tune
    from throughtime.tasks.generation import SequenceGenerator as SequenceGenerator
    from throughtime.tasks.loading import load as load
    from throughtime.tasks.tagging import SequenceTagger as SequenceTagger
    from throughtime.tasks.translation import SequenceTranslator as SequenceTranslator

_MODULES = {
    "nn": "throughtime.nn",
    "training": "throughtime.training",
    "datasets": "throughtime.data.datasets",
    "Covariates": "throughtime.data.series.covariates",
    "ParquetSeries": "throughtime.data.series.parquet",
    "InputError": "throughtime._core.errors",
    "InputWarning": "throughtime._core.errors",
    "which_path": "throughtime._core.kernel_selection",
    "Forecaster": "throughtime.tasks.forecasting",
    "Preset": "throughtime.tasks.forecasting",
    "compare": "throughtime.tasks.forecasting",
    "tune": "throughtime.tasks.forecasting",
    "SequenceClassifier": "throughtime.tasks.classification",
    "SequenceTagger": "throughtime.tasks.tagging",
    "SequenceGenerator": "throughtime.tasks.generation",
    "SequenceTranslator": "throughtime.tasks.translation",
    "load": "throughtime.tasks.loading",
    "save": "throughtime.io.network",
    "export": "throughtime.io.export_formats",
    "from_onnx": "throughtime.io.onnx_import",
    "from_keras": "throughtime.io.keras",
    "to_keras": "throughtime.io.keras",
}
"""The module of each public name, or that the name is."""

__all__ = [*_MODULES, "__version__"]


require_one_version(os.path.dirname(__path__[0]))


def __getattr__(name: str) -> Any:
    home = _MODULES.get(name)
    if home is None:
        raise AttributeError(f"module 'throughtime' has no attribute {name!r}")
    extra = requires("tune", "tune") if name == "tune" else nullcontext()  # more than its package needs to be imported
    with extra, requires_full_distribution(f"throughtime.{name}"):
        module = importlib.import_module(home)
    value = module if home.rpartition(".")[2] == name else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
