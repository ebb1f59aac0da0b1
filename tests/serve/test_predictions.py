"""`/v1/predict` for estimators and custom modules: what the runtime's model returns, as JSON."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pandas as pd
import pytest
import torch
from tests.serve.client import code_of, mutated

import throughtime as tt
from throughtime import InputError, nn, runtime
from throughtime.serve.application import build_application
from throughtime.serve.limits import Limits
from throughtime.serve.predictors import predictor, to_json
from throughtime.serve.server import load_service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = ["one two three", "four five", "don't six", "two"] * 6
LABELS = ["a", "b", "a", "c"] * 6
SENTENCES = [text.split() for text in TEXTS]
SERIES = [np.random.default_rng(i).normal(size=(9, 2)) for i in range(24)]
DAYS = np.arange("2024-01-01", "2024-04-10", dtype="datetime64[D]")


class Echo(torch.nn.Module):
    """A custom module."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(2, 3)
        self.output = torch.nn.Linear(3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.output(self.layer(x)[0]))


def forecaster() -> tt.Forecaster:
    y = np.sin(np.arange(100) / 3) + np.arange(100) / 50
    frame = pd.DataFrame({"unique_id": "s", "ds": DAYS, "y": y})
    return tt.Forecaster(4, preset=tt.Preset(1, 3), hidden_size=4).fit(frame)


def save_module(path: Path) -> None:
    tt.save(Echo(), path, example_inputs=torch.zeros(5, 3, 2))


MODELS: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "texts": (
        lambda path: tt.SequenceClassifier(hidden_size=4, preset="fast", budget=0.1).fit(TEXTS, LABELS).save(path),
        {"x": ["one two", "five"]},
    ),
    "series": (
        lambda path: tt.SequenceClassifier(hidden_size=4, preset="fast", budget=0.1).fit(SERIES, LABELS).save(path),
        {"x": [[[1.0, None], [2, 3]], [[0, 0]]]},
    ),
    "tags": (
        lambda path: tt.SequenceTagger(hidden_size=4, preset="fast", budget=0.1).fit(SENTENCES, SENTENCES).save(path),
        {"x": [["one", "two"], ["x"]]},
    ),
    "generator": (
        lambda path: tt.SequenceGenerator(hidden_size=4, epochs=1).fit(" ".join(TEXTS)).save(path),
        {"length": 10, "prompt": "one", "random_state": 3},
    ),
    "forecaster": (
        lambda path: forecaster().save(path),
        {"columns": {"ds": [str(day) for day in DAYS], "y": [1.5, None] * 50}, "level": [90], "horizon": 3},
    ),
    "module": (save_module, {"inputs": {"x": [[[0.5, 1]], [[2, 3]]]}}),
}


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    saved: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in saved:
            torch.manual_seed(0)
            saved[name] = tmp_path_factory.mktemp(name) / "model"
            MODELS[name][0](saved[name])
        return saved[name]

    return get


def expected_of(name: str, model: Any, body: dict[str, Any]) -> tuple[str, Any]:
    match name:
        case "texts":
            return "probabilities", model.predict_proba(body["x"])
        case "series":
            return "labels", model.predict([np.array(x, np.float64) for x in body["x"]])
        case "tags":
            return "tags", model.predict(body["x"])
        case "generator":
            return "sample", model.sample(**body)
        case "forecaster":
            return "columns", model.predict(body["columns"], level=[90], horizon=3)
        case _:
            return "outputs", model(x=np.array(body["inputs"]["x"], np.float32))


@pytest.mark.parametrize("requests", [20, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", MODELS)
def test_a_prediction_is_that_of_the_runtime_and_no_request_breaks_it(
    name: str, requests: int, directories: Callable[[str], Path]
) -> None:
    directory, body, chance = directories(name), MODELS[name][1], random.Random(0)
    app = build_application(load_service(directory, Limits(steps=100)), None)

    async def scenario() -> None:
        headers = {"Content-Type": "application/json"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            response = await client.post("/v1/predict", json=body)
            assert response.status_code == 200, response.text
            key, expected = expected_of(name, runtime.load(directory), body)
            assert response.json()[key] == to_json(expected)
            assert code_of(await client.post("/v1/streams")) == (404, "not_found")
            for _ in range(requests):
                content = mutated(json.dumps(body).encode(), chance)
                response = await client.post("/v1/predict", content=content, headers=headers)
                assert response.status_code < 500, content
                if response.status_code >= 400:
                    code_of(response)

    asyncio.run(scenario())


def test_values_that_json_cannot_hold_are_null_or_text() -> None:
    days = np.array(["2024-01-01", "NaT"], "datetime64[D]")
    values = {"ds": days, "y": np.array([1.5, np.nan]), "n": np.int64(3), "o": (None, True, "a")}
    assert to_json(values) == {"ds": ["2024-01-01", None], "y": [1.5, None], "n": 3, "o": [None, True, "a"]}


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match="can be served, got dict"):
        predictor({}, Limits())
