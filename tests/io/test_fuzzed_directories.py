"""Model directories and checkpoints from anyone: whatever they hold, one clear error or a model, at once."""

from __future__ import annotations

import copy
import json
import os
import random
import re
import resource
import shutil
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch

import throughtime as tt
from throughtime import InputError, nn, runtime, training
from throughtime.data.datasets import seasonal
from throughtime.io import directory
from throughtime.io.directory import ModelFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Change = Callable[[dict[str, Any]], object]

VALUES: list[Any] = [
    None, True, -1, 0, 1, 7, 10**6, 10**9, 2**31, 2**63, 10**30, 0.5, 1e308, float("inf"), float("nan"),
    "", "x", "x" * 5000, "\ud800", [], [1], [[]], {}, {"a": 1}, [None] * 3, ["a", "a"],
]  # fmt: skip
X, Y = torch.ones(5, 6, 1), torch.zeros(5, 6, 1)


def train(checkpoints: Path) -> None:
    torch.manual_seed(0)
    model = nn.ManyToMany(nn.GRU(1, 4), 1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        training.fit(
            model,
            (X, Y),
            stop=[training.Epochs(2)],
            validation=(X, Y),
            schedule=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 7),
            checkpoints=training.Checkpoints(checkpoints),
        )
    except InputError:
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        raise


def forecaster() -> tt.Forecaster:
    preset = tt.Preset(update_factor=5, max_updates=20, dropout=0.2)
    return tt.Forecaster(4, preset=preset, hidden_size=4, budget=0.5).fit(seasonal(2, 60))


KINDS: dict[str, tuple[Callable[[Path], object], list[Callable[[Any], object]]]] = {
    "layer": (lambda path: tt.save(nn.GRU(3, 4, num_layers=2), path), [tt.load, runtime.load]),
    "layout": (lambda path: tt.save(nn.ManyToMany(nn.LSTM(3, 4), 2), path), [tt.load, runtime.load]),
    "checkpoint": (train, [train]),
    "forecaster": (lambda path: forecaster().save(path), [tt.load]),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    above = tmp_path_factory.mktemp("sources")
    for kind, (make, _) in KINDS.items():
        make(above / kind)
    return {kind: above / kind for kind in KINDS}


@pytest.fixture
def network(tmp_path: Path) -> Path:
    tt.save(nn.GRU(3, 4), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing without waiting for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def positions(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where something is in nested lists and objects."""
    if path:
        yield path
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from positions(value[key], (*path, key))


def changed(config: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return a configuration with another value in one place, or without it."""
    section = chance.choice([*config])  # each as often, however long it is
    changed, places = copy.deepcopy(config), [*positions({section: config[section]})]
    *above, last = chance.choice(places)
    inner: Any = changed
    for key in above:
        inner = inner[key]
    if chance.random() < 0.1:
        del inner[last]
    else:
        inner[last] = chance.choice(VALUES)
    return changed


@pytest.mark.parametrize(("kind", "count"), [("layer", 400), ("layout", 400), ("checkpoint", 200), ("forecaster", 100)])
@pytest.mark.usefixtures("no_flush")
@pytest.mark.filterwarnings("ignore:dropout option adds dropout")
def test_a_changed_configuration_is_one_error_or_a_model_at_once(
    kind: str, count: int, sources: dict[str, Path], tmp_path: Path
) -> None:
    """Its checksum is right: the change is deliberate."""
    chance, contents = random.Random(kind), directory.read(sources[kind])
    config = {name: value for name, value in contents.config.items() if name not in ("files", "schema")}
    refused, unnamed, target = 0, [], tmp_path / "model"
    directory.write(target, ModelFiles(config, contents.weights, contents.history))
    for read in KINDS[kind][1]:
        read(target)  # as it is, it is read
    for _ in range(count):
        directory.write(target, ModelFiles(changed(config, chance), contents.weights, contents.history), overwrite=True)
        for read in KINDS[kind][1]:
            started = time.process_time()
            try:
                read(target)
            except InputError as error:
                refused += 1
                unnamed += [] if str(target) in str(error) else [error]
            except training.NonFiniteLoss:  # of an extreme learning rate, which is one
                pass
            assert time.process_time() - started < 2
    assert refused > count / 3
    assert not unnamed


@pytest.mark.usefixtures("no_flush")
def test_a_setting_of_an_optimizer_that_no_machine_number_holds_is_refused(
    sources: dict[str, Path], tmp_path: Path
) -> None:
    contents, target = directory.read(sources["checkpoint"]), tmp_path / "model"
    text, count = re.subn(r'\["eps", [^]]*\]', f'["eps", {2**70}]', json.dumps(contents.config))
    assert count
    config = {name: value for name, value in json.loads(text).items() if name not in ("files", "schema")}
    directory.write(target, ModelFiles(config, contents.weights, contents.history))
    with pytest.raises(InputError, match=re.escape(str(target))):
        KINDS["checkpoint"][1][0](target)


@pytest.mark.parametrize("kind", ["layer", "checkpoint"])
@pytest.mark.usefixtures("no_flush")
def test_changed_weights_are_one_error_or_a_model(kind: str, sources: dict[str, Path], tmp_path: Path) -> None:
    chance, contents = random.Random(kind), directory.read(sources[kind])
    config = {name: value for name, value in contents.config.items() if name not in ("files", "schema")}
    length = 8 + int.from_bytes(contents.weights[:8], "little")
    refused = 0
    for _ in range(150):
        weights = bytearray(contents.weights)
        for _ in range(chance.choice([1, 1, 3])):
            weights[chance.randrange(length)] = chance.choice(b'0123456789"[]{},:\x00\xff FI')
        if chance.random() < 0.2:
            del weights[chance.randrange(8, len(weights)) :]
        shutil.rmtree(tmp_path / "model", ignore_errors=True)
        try:
            directory.write(tmp_path / "model", ModelFiles(config, bytes(weights), contents.history))
            for read in KINDS[kind][1]:
                read(tmp_path / "model")
        except InputError:
            refused += 1
    assert refused > 100


def reseal(model: Path, change: Change) -> None:
    config = json.loads((model / "config.json").read_text())
    del config["sha256"]
    change(config)
    (model / "config.json").write_text(json.dumps({**config, "sha256": directory._checksum(config)}))


@pytest.mark.parametrize("option", ["num_layers", "hidden_size", "input_size"])
@pytest.mark.parametrize("read", [tt.load, runtime.load], ids=["torch", "runtime"])
def test_counts_are_those_of_the_weights(option: str, read: Callable[[Path], object], network: Path) -> None:
    reseal(network, lambda config: config["network"]["options"].update({option: 10**9}))
    started = time.process_time()
    with pytest.raises(InputError, match=f"{option}.*the weights are those of another network"):
        read(network)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nested deeper"),
        ('{"a":' * 900 + "1" + "}" * 900, "nested deeper"),
        ('{"schema": 1, "schema": 1}', "occurs twice"),
        (f'{{"a": {"9" * 5000}}}', "5,000 digits"),
        ('{"schema": 1', "damaged"),
        ("[]", "damaged"),
        ("null", "damaged"),
        ("", "damaged"),
    ],
    ids=["lists", "objects", "keys", "digits", "cut", "a list", "nothing", "empty"],
)
def test_a_configuration_that_is_none_is_named(text: str, reason: str, network: Path) -> None:
    (network / "config.json").write_text(text)
    with pytest.raises(InputError, match=rf"config\.json: damaged: .*{reason}|config\.json: {reason}"):
        tt.load(network)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "history.jsonl"])
@pytest.mark.parametrize("kind", ["a pipe", "a symbolic link", "a directory", "a socket"])
def test_only_regular_files_are_opened(kind: str, name: str, network: Path, tmp_path: Path) -> None:
    path = network / name
    path.rename(tmp_path / name)
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a symbolic link":
        path.symlink_to(tmp_path / name)
    elif kind == "a directory":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(path))  # names of sockets are short
    with pytest.raises(InputError, match=f"{name}: expected a regular file, got {kind}"):
        tt.load(network)


def test_memory_follows_the_size_of_the_files(network: Path) -> None:
    tt.load(network)
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 100 * 2**20, hard))
    try:
        tt.load(network)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_a_header_longer_than_any_is_refused(network: Path) -> None:
    contents = directory.read(network)
    config = {name: value for name, value in contents.config.items() if name != "files"}
    weights = (2**40).to_bytes(8, "little") + contents.weights[8:]
    with pytest.raises(InputError, match="expected at most"):
        directory.write(network.with_name("other"), ModelFiles(config, weights))
