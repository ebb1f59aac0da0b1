"""`train generate`, `train translate` and `generate`: what they write, and what they refuse."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.app.process import run_in_process

import throughtime as tt
from throughtime import InputError
from throughtime.app.jobs import generator, train, translator
from throughtime.app.jobs.requests import ModelRequest, TrainRequest
from throughtime.app.jobs.translator import read_pairs
from throughtime.app.report.generation import held_notes
from throughtime.app.run_directory import RunDirectory
from throughtime.data.music.midi import read_midi, write_midi

if TYPE_CHECKING:
    from pathlib import Path

RHYME = "one two three four five\nsix seven eight nine ten\n" * 20
SCALE = [[60], [62], [64], [65], [67], [65], [64], [62]]
SMALL = {"hidden_size": 8, "epochs": 2}


def request(
    data: Path,
    directory: RunDirectory,
    settings: dict[str, Any] = SMALL,
    test: Path | None = None,
    *,
    as_json: bool = False,
) -> TrainRequest:
    return TrainRequest(data, test, {}, settings, directory, as_json)


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("text")
    (directory / "rhyme.txt").write_text(RHYME)
    assert train.run("generate", request(directory / "rhyme.txt", RunDirectory(directory / "run"), as_json=True)) == 0
    return directory / "run"


@pytest.fixture(scope="module")
def music_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("music")
    (directory / "tunes").mkdir()
    for number in range(4):
        write_midi(directory / "tunes" / f"{number}.mid", SCALE * 2)
    assert train.run("generate", request(directory / "tunes", RunDirectory(directory / "run"))) == 0
    return directory / "run"


def test_a_run_holds_a_model_its_scores_and_a_sample(text_run: Path, music_run: Path) -> None:
    result = json.loads((text_run / "run.json").read_text())["result"]
    assert result["unit"] == "characters"
    assert set(result["test"]) == {"steps", "nats", "perplexity", "bits_per_character", "overlap"}
    assert len((text_run / "sample.txt").read_text()) == 600
    assert set(json.loads((music_run / "run.json").read_text())["result"]["test"]) == {"steps", "nats", "overlap"}
    assert len(read_midi(music_run / "sample.mid")) <= 96


def test_the_report_shows_what_was_written(text_run: Path, music_run: Path) -> None:
    text, music = ((run / "report.html").read_text() for run in (text_run, music_run))
    assert html.escape((text_run / "sample.txt").read_text()) in text
    assert '<a href="sample.mid">' in music
    assert music.count("A piano roll</title>") == 2 * 2  # two temperatures, each for wide and for narrow screens
    for page in (text, music):
        assert "nats per step" in page
        assert "training loss" in page
        assert "were set aside as a test set" in page


def test_notes_that_go_on_are_one_block() -> None:
    assert held_notes([[60, 64], [60], [62], [62, 60]]) == [(0, 1, 64), (0, 2, 60), (2, 4, 62), (3, 4, 60)]
    assert held_notes([]) == []


def test_text_comes_on_the_screen_and_in_a_file(text_run: Path, tmp_path: Path) -> None:
    options = ("--prompt", "one", "--length", 20, "--seed", 1)
    out, _ = run_in_process("generate", text_run, *options, cwd=tmp_path)
    assert out.startswith("one")
    assert len(out) == 3 + 20 + 1
    run_in_process("generate", text_run, *options, "--out", "text.txt", cwd=tmp_path)
    assert (tmp_path / "text.txt").read_text() + "\n" == out
    out, _ = run_in_process("generate", text_run / "model", *options, "--json", cwd=tmp_path)
    assert json.loads(out)["generated"] == (tmp_path / "text.txt").read_text()


def test_one_note_becomes_a_midi_file(music_run: Path, tmp_path: Path) -> None:
    options = ("--prompt", "60", "--length", 20, "--seed", 1, "--temperature", 0.8, "--top-k", 4)
    run_in_process("generate", music_run, *options, "--out", "tune.mid", cwd=tmp_path)
    tune = read_midi(tmp_path / "tune.mid")
    assert tune[0] == [60]
    out, _ = run_in_process("generate", music_run, *options, cwd=tmp_path)
    piece = json.loads(out)
    assert len(piece) == 21
    assert tune == piece
    run_in_process("generate", music_run, *options, "--out", "tune.png", cwd=tmp_path)
    assert (tmp_path / "tune.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--prompt", "sixty"), "--prompt: expected MIDI notes"),
        (("--prompt", "19"), "prompt, step 1: expected notes of a piano"),
        (("--temperature", -1), "temperature: expected a number of 0 or more"),
        (("--out", "tune.wav"), "--out: tune.wav: expected a name that ends in .mid"),
        (("--out", "absent/tune.mid"), "there is no directory absent"),
    ],
)
def test_a_wish_that_cannot_be_met_is_one_sentence(
    music_run: Path, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    _, err = run_in_process("generate", music_run, *options, cwd=tmp_path, code=2)
    assert message in err
    assert not list(tmp_path.iterdir())


def test_a_file_that_exists_stays(text_run: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("mine")
    _, err = run_in_process("generate", text_run, "--out", "text.txt", cwd=tmp_path, code=2)
    assert "text.txt exists; name another file" in err
    assert (tmp_path / "text.txt").read_text() == "mine"
    run_in_process("generate", text_run, "--out", "text.txt", "--overwrite", cwd=tmp_path)
    _, err = run_in_process("generate", text_run, "--out", "tune.mid", cwd=tmp_path, code=2)
    assert "this model writes text" in err


def test_what_cannot_be_learned_is_named(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    files = {"empty.txt": b"", "same.txt": b"aaaaaaaaaaaaaaaaaaaaaaaa", "latin.txt": b"gr\xfc\xdfe und so weiter"}
    for (name, content), message in zip(
        files.items(), ("is empty", "two different characters", "line 1: byte 0xfc is not valid UTF-8"), strict=True
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name}.*{message}"):
            train.run("generate", request(tmp_path / name, directory))
    (tmp_path / "damaged.mid").write_bytes(b"MThd\x00")
    with pytest.raises(InputError, match=r"damaged.mid: expected a MIDI file"):
        train.run("generate", request(tmp_path / "damaged.mid", directory))
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="expected MIDI files"):
        train.run("generate", request(tmp_path / "none", directory))
    with pytest.raises(InputError, match=r"--set: expected one of .*, got 'depth'"):
        train.run("generate", request(tmp_path / "same.txt", directory, {"depth": 3}))
    with pytest.raises(InputError, match="--cell: expected one of"):
        train.run("generate", request(tmp_path / "same.txt", directory, {"cell": "x"}))
    assert not directory.path.exists()


def test_a_file_of_its_own_may_judge(
    text_run: Path, music_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rhyme.txt").write_text(RHYME)
    (tmp_path / "unseen.json").write_text(json.dumps([SCALE * 2]))
    inputs = request(tmp_path / "rhyme.txt", RunDirectory(tmp_path / "run"), test=tmp_path / "rhyme.txt", as_json=True)
    assert train.run("generate", inputs) == 0
    assert json.loads(capsys.readouterr().out)["test"]["steps"] == len(RHYME) - 1
    for run, data, steps in ((text_run, "rhyme.txt", len(RHYME) - 1), (music_run, "unseen.json", 15)):
        generator.evaluate(ModelRequest(run / "model", tmp_path / data, as_json=True))
        assert json.loads(capsys.readouterr().out)["steps"] == steps
    with pytest.raises(InputError, match="use throughtime generate"):
        generator.predict(ModelRequest(text_run, tmp_path))


def test_a_translator_translates_lines_and_is_judged_by_pairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pairs.tsv").write_text("\n".join(f"{a} {b}\t{b} {a}" for a in "abcdef" for b in "ghijkl"))
    settings = {"hidden_size": 8, "epochs": 1, "vocabulary_size": 60}
    directory = RunDirectory(tmp_path / "run")
    assert train.run("translate", request(tmp_path / "pairs.tsv", directory, settings, tmp_path / "pairs.tsv")) == 0
    assert "BLEU" in capsys.readouterr().out
    model = tmp_path / "run" / "model"
    (tmp_path / "lines.txt").write_text("a g\n\nb h\n")
    translator.predict(ModelRequest(model, tmp_path / "lines.txt", out=tmp_path / "out.txt"))
    translator.predict(ModelRequest(model, tmp_path / "lines.txt"))
    lines = (tmp_path / "out.txt").read_text()
    assert capsys.readouterr().out.endswith(lines)
    assert lines.split("\n")[1] == ""
    translator.evaluate(ModelRequest(model, tmp_path / "pairs.tsv", as_json=True))
    assert json.loads(capsys.readouterr().out)["pairs"] == 36


def test_a_translator_comes_from_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{a} {b}\t{b} {a}" for a in "abcdef" for b in "ghijkl"]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines))
    settings = {"hidden_size": 8, "epochs": 2, "vocabulary_size": 60, "lowercase": True}
    directory = RunDirectory(tmp_path / "run")
    assert train.run("translate", request(tmp_path / "pairs.tsv", directory, settings, as_json=True)) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["pairs"] == 34
    assert 0 <= result["test"]["bleu"] <= 100
    assert len(tt.load(tmp_path / "run" / "model").predict(["a g"])) == 1
    rows = (tmp_path / "run" / "translations.csv").read_text().splitlines()
    assert rows[0] == "source,reference,translation"
    assert rows[1].startswith("f k,k f,")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Attention" in page
    assert "BLEU" in page
    assert "k f" in page


def test_a_line_that_is_no_pair_is_named(tmp_path: Path) -> None:
    for line, message in (("alone", "got 1 cell"), ("a\tb\tc", "got 3 cells"), ("a\t ", "got 1 cell: 'a'")):
        (tmp_path / "pairs.tsv").write_text(f"one\teins\n\n{line}\n")
        with pytest.raises(InputError, match=rf"pairs.tsv, line 3: .*{message}"):
            read_pairs(tmp_path / "pairs.tsv")
    with pytest.raises(InputError, match="--set attention: expected one of"):
        train.run("translate", request(tmp_path / "pairs.tsv", RunDirectory(tmp_path / "run"), {"attention": "x"}))
    with pytest.raises(InputError, match=r"--set: expected one of .*, got 'depth'"):
        train.run("translate", request(tmp_path / "pairs.tsv", RunDirectory(tmp_path / "run"), {"depth": 1}))
