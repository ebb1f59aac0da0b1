"""The classic experiments: python -m examples.experiments [PROBLEM …] [--networks …]."""

from __future__ import annotations

import argparse
from pathlib import Path

from examples.experiments import figures, results
from examples.experiments.networks import NETWORKS
from examples.experiments.page import page, table
from examples.experiments.problems import PROBLEMS
from examples.experiments.runs import run

_DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    """Run the requested experiments, and write table, pictures and page."""
    parser = argparse.ArgumentParser(prog="python -m examples.experiments", description=__doc__)
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=", ".join(PROBLEMS))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--updates", type=int, help="at most, for each network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draw", action="store_true", help="only draw the earlier results again")
    parser.add_argument("--out", type=Path, default=_DOCS, help="directory of the page")
    chosen = parser.parse_args()
    unknown = set(chosen.problems) - set(PROBLEMS)
    if unknown:
        parser.error(f"expected problems among {', '.join(PROBLEMS)}, got {', '.join(sorted(unknown))}")
    static = chosen.out / "_static"
    static.mkdir(parents=True, exist_ok=True)
    all_runs = results.read(static / "experiments.json")
    for name in [] if chosen.draw else chosen.problems or PROBLEMS:
        for network in chosen.networks:
            done = run(name, network, updates=chosen.updates, seed=chosen.seed)
            how = f"loss {done.loss:.3g}" if done.solved is None else f"solved after {done.solved} updates"
            how += ", then diverged" if done.diverged else ""
            print(f"{PROBLEMS[name].title}: {NETWORKS[network].title}: {how}, {done.seconds:.0f} s", flush=True)
            all_runs = {**results.read(static / "experiments.json"), (name, network): done}
            results.write(static / "experiments.json", all_runs)
    all_runs = results.read(static / "experiments.json")  # with the digits that are kept, so that --draw draws the same
    pictures = figures.draw(all_runs, static)
    (chosen.out / "experiments.md").write_text(page(all_runs, pictures), encoding="utf-8")
    print(f"\n{table(all_runs)}")


if __name__ == "__main__":
    main()
