"""Do emulated tasks rank strategies as the real ones do? ``python -m bench.fidelity DIR``: from finished runs.

For each real task at hand and the emulation of its nearest NEVIS'22 task (:data:`PAIRS`), Spearman's rank correlation
of the strategies' scores at one budget; then the mean over pairs and budgets, with Student's 95 % interval over pairs.
"""

import argparse
from pathlib import Path
from statistics import fmean

from scipy.stats import spearmanr

from bench.difficulty import Scored, scores
from bench.intervals import mean_and_half

PAIRS = {
    "uci_digits": "semeion",
    "mnist_5k": "mnist",
    "texture_patches": "brodatz",
    "font_glyphs": "chars74k",
    "fashion_mnist": "fashion_mnist",
}
"""Real task, of nevis-mini or of nevis22(source=real), and the emulated one that stands for it."""


def correlations(found: list[Scored]) -> dict[str, list[float]]:
    """Rank correlation between real and emulated, for each real task one a budget at which four strategies scored."""
    real = {s.task: s for s in found if "real" in s.stream or s.stream.startswith("nevis-mini")}
    result: dict[str, list[float]] = {}
    for task, twin in PAIRS.items():
        if task not in real:
            continue
        for budget in sorted({one.budget for one in found}):
            theirs = _by_strategy(found, real[task].stream, task, budget)
            ours = {
                strategy: score
                for stream in {s.stream for s in found} - {r.stream for r in real.values()}
                for strategy, score in _by_strategy(found, stream, twin, budget).items()
            }
            both = sorted(set(theirs) & set(ours))
            if len(both) >= 4:
                rank = spearmanr([theirs[s] for s in both], [ours[s] for s in both]).statistic
                result.setdefault(task, []).append(float(rank))
    return result


def _by_strategy(found: list[Scored], stream: str, task: str, budget: str) -> dict[str, float]:
    of: dict[str, list[float]] = {}
    for one in found:
        if (one.stream, one.task, one.budget) == (stream, task, budget):
            of.setdefault(one.strategy, []).append(one.score)
    return {strategy: fmean(values) for strategy, values in of.items()}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    found = correlations(list(scores(parser.parse_args(arguments).folder)))
    for task, ranks in found.items():
        print(f"{task:18s} as {PAIRS[task]:15s} {'  '.join(f'{rank:+.2f}' for rank in ranks)}")
    means = [fmean(ranks) for ranks in found.values()]
    print(f"mean rank correlation {mean_and_half(means, digits=2, sign=True)} (95% interval, n = {len(means)} pairs)")


if __name__ == "__main__":
    main()
