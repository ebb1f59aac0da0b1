"""Directories of generators and translators that were tampered with: each one clear error, nothing loaded."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest
from safetensors.torch import load_file, save_file

import throughtime as tt
from throughtime import InputError
from throughtime._core.dataclass_json import dataclass_from_json
from throughtime.data.series.covariates import Feature
from throughtime.data.series.frequency import Frequency
from throughtime.io import saved_model
from throughtime.tasks.translation import SubwordSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def generator() -> tt.SequenceGenerator:
    return tt.SequenceGenerator(hidden_size=4, epochs=1).fit("to be or not to be " * 20)


@pytest.fixture(scope="module")
def translator() -> tt.SequenceTranslator:
    return tt.SequenceTranslator(hidden_size=4, epochs=1, vocabulary=SubwordSettings(20)).fit(
        ["a b", "b a"], ["c", "d"]
    )


def tampered(directory: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> Path:
    """A directory whose content was changed, and whose sums fit."""
    config = json.loads((directory / "config.json").read_text())
    tensors = load_file(directory / "model.safetensors")
    change(config, tensors)
    save_file(tensors, directory / "model.safetensors")
    history = (directory / "history.jsonl").read_text()
    fresh = {k: v for k, v in config.items() if k not in {"sha256", "files", "schema"}}
    shutil.rmtree(directory)
    saved_model.write(directory, saved_model.SavedModel(fresh, tensors, history))
    return directory


@pytest.mark.parametrize(
    "change",
    [
        lambda c, _: c["settings"].update(hidden_size=10**9),
        lambda c, _: (c["settings"].update(hidden_size=10**9), c["sizes"].update(hidden_size=10**9)),
        lambda c, _: c["settings"].update(cell="os"),
        lambda c, _: c["settings"].update(surprise=1),
        lambda c, _: c.update(unit="piano_roll"),
        lambda c, _: c.update(unit="syllables"),
        lambda c, _: c.update(symbols=["a"]),
        lambda c, _: c.update(symbols=[1, 2, 3]),
        lambda c, _: c["symbols"].append("one too many"),
        lambda c, _: c.pop("symbols"),
        lambda _, t: t.pop("network.layers.output.bias"),
        lambda _, t: t["network.layers.output.bias"].fill_(float("nan")),
    ],
)
def test_a_hostile_generator_is_one_clear_error(
    generator: tt.SequenceGenerator, change: Callable[..., object], tmp_path: Path
) -> None:
    generator.save(tmp_path / "model")
    with pytest.raises(InputError, match="model"):
        tt.load(tampered(tmp_path / "model", change))


@pytest.mark.parametrize(
    "change",
    [
        lambda c, _: c["settings"].update(hidden_size=2 * 10**8),
        lambda c, _: c["settings"].update(attention="os"),
        lambda c, _: c["settings"]["vocabulary"].update(size=-1),
        lambda c, _: c["settings"]["vocabulary"].update(surprise=1),
        lambda c, _: c["settings"].pop("teacher_forcing"),
        lambda c, _: c.update(source="{}"),
        lambda c, _: c.update(source=7),
        lambda c, _: c.update(target=c["target"][:-20]),
        lambda _, t: t.pop("network.target.weight"),
        lambda _, t: t["network.target.weight"].fill_(float("inf")),
    ],
)
def test_a_hostile_translator_is_one_clear_error(
    translator: tt.SequenceTranslator, change: Callable[..., object], tmp_path: Path
) -> None:
    translator.save(tmp_path / "model")
    with pytest.raises(InputError, match="model"):
        tt.load(tampered(tmp_path / "model", change))


def test_more_layers_than_weights_are_refused_at_once(translator: tt.SequenceTranslator, tmp_path: Path) -> None:
    translator.save(tmp_path / "model")
    started = time.process_time()
    with pytest.raises(InputError, match=r"num_layers: 30000 layers cannot have \d+ weights"):
        tt.load(tampered(tmp_path / "model", lambda c, _: c["settings"].update(num_layers=30_000)))
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"unit": "D", "count": True}, "count: expected int, got 'True'"),
        ({"unit": "D", "count": 1.0}, "count: expected int"),
        ({"unit": None}, "unit: expected str"),
        ({"unit": ["D"]}, "unit: expected str"),
        ([], "expected names and values"),
    ],
)
def test_a_value_of_another_type_is_refused(values: Any, reason: str) -> None:
    with pytest.raises((ValueError, TypeError), match=reason):
        dataclass_from_json(Frequency, values)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), "1", None, True, [1.0]])
def test_a_number_that_is_not_finite_is_refused(number: Any) -> None:
    with pytest.raises(ValueError, match="mean: expected float"):
        dataclass_from_json(Feature, {"name": "price", "role": "past", "mean": number})
