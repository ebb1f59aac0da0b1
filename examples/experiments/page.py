"""The page of the documentation: the table of all runs, the published figures, the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from examples.experiments.networks import NETWORKS
from examples.experiments.problems import PROBLEMS

if TYPE_CHECKING:
    from examples.experiments.results import Runs
    from examples.experiments.runs import Run

_PUBLISHED = {"rnn": 0.177, "gru": 5.3e-5, "lstm": 0.164}
_TEXT = """\
# The classic experiments

Problems with long dependencies: the adding problem, copying, the order of two symbols, the XOR of two bits, a bit held
through noise. A network with gates learns them; a plain one does not, because its gradient vanishes. For comparison, a
feed-forward network reads the last 20 steps and has no memory. All networks have about the same number of weights
({weights}).

    make experiments

trains all of them and writes this page; `python -m examples.experiments adding-600 --networks gru` trains one.

## Results

The number of updates until a problem was solved, in bold, or else the lowest loss. Solved means a loss below 6 % of the
chance level on 500 held-out sequences: 0.01 in the adding problem, where chance is 1/6.

{table}

All train with Adam, batches of 64 new sequences, a gradient norm clipped to 1, and seed 0. GRU and LSTM are initialized
with `nn.Chrono`, which biases the gates towards the time scale of the problem; the relu network with the identity; the
tanh network as in torch. GRU and LSTM train at a learning rate of 0.003 (copying: 0.01, the best of three), the others
at a third of that. If a gradient overflows, the training ends and the table says diverged. Losses are the lowest of all
evaluations during training. Between the two bits of XOR the input is zero; with distracting bits, neither GRU nor LSTM
learned it in 2,000 updates. The docstrings in `examples/experiments/problems.py` name the source of each problem.

## Published figures

Mean squared error of the adding problem with 600 steps in Bai et al. 2018 (An Empirical Evaluation of Generic
Convolutional and Recurrent Networks for Sequence Modeling, Table 1), for networks of about 70,000 weights. The runs
here stop as soon as the error is below 0.01.

| | RNN | GRU | LSTM |
|---|---:|---:|---:|
| Bai et al. 2018 | {published} |
| throughtime | {ours} |

## Where the gradient vanishes

The gradient of the loss with respect to the state by lag (steps before the last), in the adding problem with 200 steps.
`training.doctor` computes it in one backward pass.

![Gradient norms by lag before and after training](_static/experiment-gradients.svg)

## Curves

{pictures}
"""


def page(runs: Runs, pictures: list[str]) -> str:
    """Return the page in Markdown."""
    curves = [name for name in pictures if name != "experiment-gradients.svg"]
    ours = [runs.get(("adding-600", network)) for network in _PUBLISHED]
    counts = [run.weights for run in runs.values()]
    return _TEXT.format(
        weights=f"{min(counts):,} to {max(counts):,}",
        table=table(runs),
        published=" | ".join(_number(loss) for loss in _PUBLISHED.values()),
        ours=" | ".join("" if run is None else _number(run.loss) for run in ours),
        pictures="\n\n".join(f"![Loss by updates](_static/{name})" for name in curves),
    )


def table(runs: Runs) -> str:
    """Return a table of all runs: a row for each problem, a column for each network."""
    names = [name for name in PROBLEMS if any(problem == name for problem, _ in runs)]
    rows = [
        ["problem", "chance", *(network.title for network in NETWORKS.values())],
        ["---", *["---:"] * (1 + len(NETWORKS))],
        *(
            [PROBLEMS[name].title, _number(PROBLEMS[name].chance), *(_cell(runs.get((name, n))) for n in NETWORKS)]
            for name in names
        ),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(run: Run | None) -> str:
    if run is None:
        return ""
    if run.solved is not None:
        return f"**{run.solved:,}**"
    return f"{_number(run.loss)}{', diverged' if run.diverged else ''}"


def _number(value: float) -> str:
    return f"{value:.1e}" if value < 1e-3 else f"{value:.3g}"
