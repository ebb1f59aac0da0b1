"""Check the files in dist/ in environments of their own, where no compiler is on the path.

The wheel of throughtime is installed into an environment that reads the libraries of this one: downloading torch again
would show nothing. It must find its kernels, share torch's OpenMP runtime, and forecast a table. The wheel of
throughtime-runtime is installed with its requirements, from the package index.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
from importlib import metadata
from pathlib import Path

TABLE = "month,sales\n" + "".join(
    f"{2018 + month // 12}-{month % 12 + 1:02},{100 + month + 10 * (month % 12 < 6)}\n" for month in range(72)
)

FULL = """
import sys
from importlib import metadata
from pathlib import Path
import torch, throughtime
from throughtime import nn

location = Path(throughtime.__file__)
assert location.is_relative_to(sys.prefix), f"throughtime was imported from {location}"
assert metadata.version("throughtime") == throughtime.__version__
torch.set_num_threads(2)
layer, x = nn.LSTM(8, 64), torch.randn(50, 32, 8)
path = throughtime.which_path(layer, x)
assert path.startswith("kernel"), path
layer(x)[0].sum().backward()
if sys.platform == "linux":  # the kernels have run on two threads: in torch's pool, with no other runtime
    loaded = {line.split()[-1] for line in open("/proc/self/maps") if "omp" in line.rpartition("/")[2]}
    assert [Path(name).parent for name in loaded] == [Path(torch.__file__).parent / "lib"], loaded
network = nn.ManyToMany(nn.GRU(1, 8), 1)
throughtime.save(network, "network")
print(network(torch.ones(1, 1, 1))[0].item())
"""

RUNTIME = """
import sys, time
start = time.perf_counter()
from throughtime import runtime
seconds = time.perf_counter() - start
from pathlib import Path
import throughtime
assert Path(throughtime.__file__).is_relative_to(sys.prefix), throughtime.__file__
y = runtime.load("network").step([1.0])
assert abs(float(y[0]) - float(sys.argv[1])) < 1e-6, (y, sys.argv[1])
assert "torch" not in sys.modules
print(f"imported in {seconds:.2f} s")
"""


def executable(environment: Path, name: str) -> Path:
    """Return the path of a program in a virtual environment."""
    return environment / ("Scripts" if sys.platform == "win32" else "bin") / name


def installed_size(environment: Path) -> int:
    """Return the bytes of the packages in an environment, without pip."""
    folders = [path for path in environment.rglob("site-packages/*") if not path.name.startswith(("pip", "setuptools"))]
    return sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())


def run(*command: str | Path, folder: Path) -> str:
    """Run a program in a folder without the tools of this environment and of the system, and return its output."""
    path = str(Path(command[0]).parent)
    environment = {"PATH": path, "HOME": str(folder), "OMP_NUM_THREADS": "2", "NO_COLOR": "1"}
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, cwd=folder, env=environment, timeout=600
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def pip(environment: Path, *arguments: str | Path) -> None:
    """Run pip for an environment."""
    python = executable(environment, "python")
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *arguments], check=True)


def check_full(dist: Path, folder: Path) -> str:
    """Forecast a table with the wheel of throughtime; return an output of the network that is left in the folder."""
    environment = folder / "full"
    venv.create(environment, with_pip=False)
    pip(environment, "install", "-q", "--no-deps", "--no-index", "--find-links", dist, "throughtime")
    (site_packages,) = environment.rglob("site-packages")
    libraries = metadata.distribution("torch").locate_file("")
    (site_packages / "libraries.pth").write_text(str(libraries), encoding="utf-8")
    output = run(executable(environment, "python"), "-c", FULL, folder=folder)
    (folder / "sales.csv").write_text(TABLE, encoding="utf-8")
    command = executable(environment, "throughtime")
    run(command, "forecast", "sales.csv", "--horizon", "12", "--preset", "fast", "--out", "run", folder=folder)
    forecast = (folder / "run" / "forecast.csv").read_text(encoding="utf-8").splitlines()
    assert len(forecast) == 1 + 12, forecast
    print(f"throughtime: {len(forecast) - 1} forecasts, kernels in torch's pool")
    return output.strip()


def check_runtime(dist: Path, python: str, folder: Path, expected: str) -> None:
    """Run a saved network with the wheel of throughtime-runtime, for a Python."""
    environment = Path(tempfile.mkdtemp(prefix="runtime-", dir=folder))
    subprocess.run([python, "-m", "venv", environment], check=True)
    pip(environment, "install", "-q", "--no-deps", "--no-index", "--find-links", dist, "throughtime-runtime")
    pip(environment, "install", "-q", "throughtime-runtime")  # its requirements
    output = run(executable(environment, "python"), "-c", RUNTIME, expected, folder=folder)
    print(f"throughtime-runtime: {installed_size(environment) / 1e6:.0f} MB with its requirements, {output.strip()}")


def check_all(dist: Path, pythons: list[str], work: Path) -> None:
    """Check the wheels in a folder, those of throughtime-runtime for each Python."""
    folder = work / "check"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    expected = check_full(dist, folder)
    for python in pythons:
        check_runtime(dist, python, folder, expected)
