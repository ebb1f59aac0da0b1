"""The server as a process: how it starts and ends, and its options."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.serve.client import process

from throughtime import InputError
from throughtime.app.commands import app
from throughtime.serve.__main__ import parser
from throughtime.serve.limits import Limits
from throughtime.serve.server import read_token, serve


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_commands_of_the_page_work(model: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")
    match = re.search(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert match
    with process(model, signal.SIGTERM) as client:
        script = "set -e\n" + match[1].replace("http://127.0.0.1:8000", str(client.base_url).rstrip("/"))
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r'\{"y":\[.*\]\}\{"status":"ok"\}', done.stdout)


def test_streams_of_a_killed_server_resume_and_sigterm_ends_in_peace(model: Path) -> None:
    x = [[0.25, 1.0]]
    with process(model, signal.SIGKILL) as client:
        stream = client.post("/v1/streams").json()["id"]
        client.post(f"/v1/streams/{stream}/step", json={"x": x * 7})
        snapshot = client.get(f"/v1/streams/{stream}/snapshot").json()
        expected = client.post(f"/v1/streams/{stream}/step", json={"x": x}).json()
    with process(model, signal.SIGTERM) as client:
        stream = client.post("/v1/streams", json=snapshot).json()["id"]
        assert client.post(f"/v1/streams/{stream}/step", json={"x": x}).json() == expected


def test_what_cannot_be_served_is_refused(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.serve.server._Server.run", lambda *_: pytest.fail("it was not refused"))
    monkeypatch.delenv("THROUGHTIME_TOKEN", raising=False)
    settings: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "token_file": None, "limits": Limits()}
    with pytest.raises(InputError, match=r"--host: 0.0.0.0 can be reached from other machines; give a token"):
        serve(model, **settings | {"host": "0.0.0.0"})
    (tmp_path / "short").write_text("abc")
    with pytest.raises(InputError, match="expected a token of 16 or more"):
        serve(model, **settings | {"token_file": tmp_path / "short"})
    with pytest.raises(InputError, match="--port: expected a number from 0 to 65535, got 99999"):
        serve(model, **settings | {"port": 99999})
    with pytest.raises(InputError, match=r"--token-file: .*none cannot be read"):
        read_token(tmp_path / "none")
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(InputError, match=r"--host, --port: cannot listen on 127\.0\.0\.1"),
    ):
        serve(model, **settings | {"port": other.getsockname()[1]})


@pytest.mark.parametrize("limits", [{"streams": 0}, {"seconds": math.nan}, {"idle_seconds": -1.0}])
def test_bounds_that_are_not_positive_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"--{next(iter(limits)).replace('_', '-')}: expected a finite number above 0"):
        Limits(**limits)


def test_both_commands_have_the_same_options() -> None:
    command = typer.main.get_command(app).commands["serve"]  # pyright: ignore[reportAttributeAccessIssue]
    defaults = {option.name: option.default for option in command.params if option.name not in ("help", "model")}
    options = {action.dest: action.default for action in parser()._actions if action.dest not in ("help", "model")}
    assert options == defaults


def test_a_server_needs_no_torch(model: Path) -> None:
    program = "import sys; sys.modules['torch'] = None; from throughtime.serve.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", program, str(model), "--host", "0.0.0.0"]
    environment = {name: value for name, value in os.environ.items() if name != "THROUGHTIME_TOKEN"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("throughtime: --host: 0.0.0.0 can be reached")
