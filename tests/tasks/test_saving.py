"""Model directories: what comes back is the same, what is damaged is refused, what is cut short loses nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import throughtime as tt
from throughtime import InputError
from throughtime.data.datasets import seasonal
from throughtime.io import saved_model
from throughtime.io.atomic_directories import backup_path

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"model.safetensors", "config.json", "history.jsonl"}


@pytest.fixture(scope="module")
def fitted() -> tt.Forecaster:
    preset = tt.Preset(update_factor=30, max_updates=200, dropout=0.2)
    return tt.Forecaster(4, preset=preset, hidden_size=4, budget=0.5).fit(seasonal(2, 60))


@pytest.fixture
def saved(fitted: tt.Forecaster, tmp_path: Path) -> Path:
    fitted.save(tmp_path / "model")
    return tmp_path / "model"


def test_a_loaded_forecaster_gives_the_same_forecast_bit_for_bit(fitted: tt.Forecaster, saved: Path) -> None:
    loaded = tt.load(saved)
    assert {path.name for path in saved.iterdir()} == FILES
    pd.testing.assert_frame_equal(loaded.predict(), fitted.predict(), check_exact=True)
    new = seasonal(3, 90, seed=5)
    pd.testing.assert_frame_equal(loaded.predict(new), fitted.predict(new), check_exact=True)
    assert loaded.get_params() == fitted.get_params()
    assert loaded.notes_ == fitted.notes_
    assert loaded.history_ == fitted.history_


def test_saving_again_changes_nothing(saved: Path, tmp_path: Path) -> None:
    tt.load(saved).save(tmp_path / "again")
    assert all((saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in FILES)


def test_an_existing_directory_is_replaced_only_if_it_is_a_model_and_so_asked(
    fitted: tt.Forecaster, saved: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="exists already; choose another name"):
        fitted.save(saved)
    fitted.save(saved, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"model"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="replaces model directories only"):
        fitted.save(tmp_path / "other", overwrite=True)
    assert (tmp_path / "other" / "thesis.txt").exists()


def test_a_place_that_cannot_be_written_is_named(fitted: tt.Forecaster, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        fitted.save(tmp_path / "file" / "model")


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_one_clear_error(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(InputError):
        tt.load(saved)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match="expected a model directory"):
            tt.load(path)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_damaged_file_is_never_loaded_in_silence(saved: Path, name: str) -> None:
    """Flipped bits, lost ends, foreign beginnings: each an InputError, none a crash."""
    path, rng = saved / name, random.Random(0)
    content = path.read_bytes()
    for _ in range(150):
        damaged = bytearray(content)
        match rng.randrange(3):
            case 0:
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            case 1:
                del damaged[rng.randrange(len(damaged)) :]
            case _:
                damaged[: rng.randrange(1, 64)] = rng.randbytes(rng.randrange(64))
        if bytes(damaged) == content:
            continue
        path.write_bytes(damaged)
        try:
            reloaded = tt.load(saved)
        except InputError:
            continue
        # A change of spelling that means the same, such as a space in JSON, is not damage.
        assert name == "config.json"
        assert json.loads(damaged) == json.loads(content), f"loaded in silence: {reloaded}"


def rewrite(saved: Path, change: object) -> None:
    """A hostile directory: changed, and with sums that fit."""
    config = json.loads((saved / "config.json").read_text())
    tensors = load_file(saved / "model.safetensors")
    change(config, tensors)
    save_file(tensors, saved / "model.safetensors")
    history = (saved / "history.jsonl").read_text()
    fresh = {k: v for k, v in config.items() if k not in {"sha256", "files", "schema"}}
    shutil.rmtree(saved)
    saved_model.write(saved, saved_model.SavedModel(fresh, tensors, history))


@pytest.mark.parametrize(
    "change",
    [
        lambda c, _: c["settings"].update(hidden_size=10**9),
        lambda c, _: c["settings"].update(horizon=10**9),
        lambda c, _: c["settings"].update(horizon="__import__('os')"),
        lambda c, _: c["settings"].update(surprise=1),
        lambda c, _: c["sizes"].update(blocks=10**8),
        lambda c, _: c["sizes"].update(block=-1),
        lambda c, _: c["sizes"].update(season=10**12),
        lambda c, _: c["calibration"].update(expert="oracle"),
        lambda c, _: c["calibration"].update(weight=float("nan")),
        lambda c, _: c["kind"].update(backend="os"),
        lambda c, _: c["frequency"].update(unit="fortnight"),
        lambda c, _: c["frequency"].update(count=0),
        lambda c, _: c["ids"].append("one too many"),
        lambda c, _: c.update(task="divination"),
        lambda c, _: c.pop("sizes"),
        lambda c, _: c.update(sizes=[]),
        lambda _, t: t.pop("network.mixture_bias"),
        lambda _, t: t["network.mixture_bias"].fill_(float("nan")),
        lambda _, t: t.update({"network.mixture_bias": torch.zeros(2, 2)}),
        lambda _, t: t["panel.offsets"].fill_(7),
        lambda _, t: t.update({"panel.values": torch.zeros(3)}),
        lambda _, t: t.update({"calibration.quantiles": torch.zeros(0, dtype=torch.float64)}),
    ],
)
def test_a_hostile_directory_is_one_clear_error(saved: Path, change: object) -> None:
    rewrite(saved, change)
    with pytest.raises(InputError, match=r"model"):
        tt.load(saved)


def test_a_directory_of_another_schema_says_so(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, "schema": 99}))
    with pytest.raises(InputError, match="expected schema 2, got 99"):
        tt.load(saved)


def test_a_forecaster_of_a_former_version_says_so(saved: Path) -> None:
    def as_before(_: dict[str, object], tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if name.startswith("pooled.")]:
            del tensors[name]

    rewrite(saved, as_before)
    with pytest.raises(InputError, match="saved by a former version of throughtime; fit the forecaster again"):
        tt.load(saved)


def test_a_replacement_that_was_cut_short_loses_nothing(fitted: tt.Forecaster, saved: Path) -> None:
    os.replace(saved, backup_path(saved))  # what a kill between the two renames leaves
    pd.testing.assert_frame_equal(tt.load(saved).predict(), fitted.predict(), check_exact=True)


KILLED = """
import sys, torch
from throughtime.io.saved_model import SavedModel, write
print("ready", flush=True)
n = 0
while True:
    n += 1
    write(sys.argv[1], SavedModel({"task": "test", "n": n}, {"n": torch.full((1000,), n)}), overwrite=True)
"""


def test_what_a_killed_replacement_has_left_of_the_old_model_is_in_nobodys_way(
    fitted: tt.Forecaster, saved: Path
) -> None:
    left = backup_path(saved)
    left.mkdir()
    shutil.copy(saved / "config.json", left)
    fitted.save(saved, overwrite=True)
    assert not left.exists()
    assert tt.load(saved).get_params() == fitted.get_params()


@pytest.mark.slow
def test_killing_while_saving_leaves_a_whole_model(tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(20):
        with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path / "m"], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            try:
                process.wait(0.02 + 0.1 * rng.random())
            except subprocess.TimeoutExpired:
                process.kill()
        contents = saved_model.read(tmp_path / "m")
        assert (contents.tensors["n"] == contents.config["n"]).all()
