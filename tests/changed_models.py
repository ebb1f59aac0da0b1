"""Model directories whose configuration was changed after they were written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from throughtime.io import saved_model

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.tasks.base import AbstractEstimator


def save_changed(estimator: AbstractEstimator, section: str, key: str | None, value: Any, directory: Path) -> Path:
    """Return a model directory with another value in a section of the configuration, or instead of it for no key."""
    estimator.save(directory / "model")
    contents = saved_model.read(directory / "model")
    config = json.loads(json.dumps(contents.config))
    if key is None:
        config[section] = value
    else:
        config[section][key] = value
    del config["files"], config["schema"]  # which writing adds
    saved_model.write(directory / "changed", saved_model.SavedModel(config, contents.tensors, contents.history))
    return directory / "changed"
