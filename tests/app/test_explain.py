"""`throughtime explain`: words, data and a picture of a trained network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.app.process import monthly, run_in_process, seasonal, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("brief_trainings")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a finished run in run/."""
    directory = tmp_path_factory.mktemp("explain")
    write(directory / "data.csv", monthly(seasonal()))
    run_in_process(
        "forecast", "data.csv", "--horizon", 6, "--preset", "fast", "--budget", "1s", "--out", "run", cwd=directory
    )
    return directory


def test_it_says_in_words_how_far_back_the_network_learns(run: Path) -> None:
    out, _ = run_in_process("explain", "run", "--season", 12, cwd=run)
    first, *layers, verdict = out.splitlines()
    assert first.startswith("GRU of 64 units")
    assert first.endswith("reads 12 values of the series. The season requested has 12 values: 1 step.")
    assert all(line.startswith("layer.") for line in layers)
    assert "your season is 1 step" in verdict


def test_json_is_one_object(run: Path) -> None:
    out, _ = run_in_process("explain", "run/model", "data.csv", "--json", "--season", 36, cwd=run)
    output = json.loads(out)
    assert out.count("\n") == 1
    assert output["season_steps"] == -(-36 // output["values_per_step"])
    assert 0 <= output["clipped"] <= 1
    (layer,) = output["layers"]
    assert layer["cell"] == "gru"
    assert len(layer["state_gradients"]) > len(layer["spectral_radius"]) / 2
    assert output["verdict"]


def test_a_picture_is_written_once(run: Path) -> None:
    _, message = run_in_process("explain", "run", "--out", "memory.svg", cwd=run)
    assert "Picture: memory.svg" in message
    assert "<svg" in (run / "memory.svg").read_text()
    _, message = run_in_process("explain", "run", "--out", "memory.svg", cwd=run, code=2)
    assert "memory.svg exists" in message
    run_in_process("explain", "run", "--out", "memory.svg", "--overwrite", cwd=run)
    assert sorted(path.name for path in run.iterdir()) == ["data.csv", "memory.svg", "run"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "does not exist"),
        (["run", "nowhere.csv"], "nowhere.csv"),
        (["run", "--out", "picture.txt"], "ends in .svg, .png, .pdf"),
        (["run", "--out", "none/picture.svg"], "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(run: Path, arguments: list[str], words: str) -> None:
    _, err = run_in_process("explain", *arguments, cwd=run, code=2)
    assert words in err
    assert err.count("\n") <= 2
