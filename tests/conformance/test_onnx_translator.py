"""A translator as two ONNX files: greedy decoding with onnxruntime gives the translations of the estimator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tests.app.process import run_in_process
from tests.tolerances import assert_close

import throughtime as tt
from throughtime.data.text.subwords import SubwordSettings

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = ["one two three", "two one", "three three one two one", "one"]
TARGETS = ["c b a", "a b", "a b a c c", "a"]


def translator(**options: Any) -> tt.SequenceTranslator:
    settings = {"hidden_size": 16, "dropout": 0.0, "vocabulary": SubwordSettings(30), "epochs": 1}
    return tt.SequenceTranslator(**settings | options).fit(SOURCES * 20, TARGETS * 20)


def session(file: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


def decode(directory: Path, numbers: list[list[int]]) -> list[list[int]]:
    """Translate numbers of subwords as docs/export.md says, by the files alone."""
    encoder, decoder = session(directory / "encoder.onnx"), session(directory / "decoder.onnx")
    symbols = json.loads(encoder.get_modelmeta().custom_metadata_map["symbols"])
    lengths = np.array([len(row) for row in numbers])
    source = np.array([row + [symbols["pad"]] * (lengths.max() - len(row)) for row in numbers]).T
    memory, state = encoder.run(["memory", "state"], {"source": source, "lengths": lengths})
    words, translations = np.full(len(numbers), symbols["begin"]), []
    for _ in range(2 * lengths.max() + 10):
        inputs = {"words": words, "memory": memory, "state": state, "lengths": lengths}
        logits, state = map(np.array, decoder.run(["logits", "state_n"], inputs))
        logits[:, [symbols["pad"], symbols["unknown"], symbols["begin"]]] = -np.inf
        words = logits.argmax(1)
        translations.append(words)
    rows = [[*row[: 2 * n + 10], symbols["end"]] for row, n in zip(np.stack(translations, 1), lengths, strict=True)]
    return [row[: row.index(symbols["end"])] for row in rows]


def test_greedy_decoding_by_the_files_gives_the_translations(tmp_path: Path) -> None:
    model = translator(attention="additive")
    for weight in model.network_.parameters():
        weight.data.mul_(6.0)  # so that words depend on what came before, without a long training
    model.save(tmp_path / "model")
    out, _ = run_in_process("export", "model", "--to", "onnx", cwd=tmp_path)
    assert "Written: model-onnx/encoder.onnx (" in out
    assert "Written: model-onnx/decoder.onnx (" in out
    numbers = model.source_.encode(SOURCES)
    expected = model._model().translate(numbers, beams=1)
    assert len({len(row) for row in expected}) > 1
    assert decode(tmp_path / "model-onnx", numbers) == expected


@pytest.mark.parametrize(
    "options",
    [{"cell": "gru", "attention": None}, {"cell": "lstm", "num_layers": 2}],
    ids=lambda options: options["cell"],
)
def test_one_step_of_the_files_is_one_step_of_the_network(options: dict[str, Any], tmp_path: Path) -> None:
    model = translator(**options)
    model.save(tmp_path / "model")
    run_in_process("export", "model", "--to", "onnx", cwd=tmp_path)
    source, words = torch.tensor([[4, 5], [6, 7], [5, 0]]), torch.tensor([2, 5])
    with torch.no_grad():
        for lengths in (torch.tensor([3, 2]), None):
            full = torch.tensor([3, 3]) if lengths is None else lengths
            memory, state = model.network_.start(source, full)
            expected = [memory, state, *model.network_.step(words, memory, state, full)]
            optional = {} if lengths is None else {"lengths": lengths.numpy()}
            folder = tmp_path / "model-onnx"
            encoded = session(folder / "encoder.onnx").run(None, {"source": source.numpy(), **optional})
            inputs = {"words": words.numpy(), "memory": encoded[0], "state": encoded[1], **optional}
            assert_close([*encoded, *session(folder / "decoder.onnx").run(None, inputs)], expected, "forward")


def test_the_files_of_a_translator_hold_its_vocabularies_and_are_never_one(tmp_path: Path) -> None:
    model = translator(cell="gru")
    model.save(tmp_path / "model")
    _, message = run_in_process("export", "model", "--to", "onnx", "--out", "one.onnx", cwd=tmp_path, code=2)
    assert "--out: model becomes encoder and decoder; name a directory for both, not one.onnx" in message
    assert not (tmp_path / "one.onnx").exists()
    run_in_process("export", "model", "--to", "onnx", cwd=tmp_path)
    for name in ("encoder", "decoder"):
        file = onnx.load(tmp_path / "model-onnx" / f"{name}.onnx")
        onnx.checker.check_model(file, full_check=True)
        assert {entry.key: entry.value for entry in file.metadata_props} == {
            "throughtime": tt.__version__,
            "task": "translate",
            "symbols": '{"pad": 0, "unknown": 1, "begin": 2, "end": 3}',
            "source_vocabulary": model.source_.content,
            "target_vocabulary": model.target_.content,
        }
