"""Do emulated tasks rank strategies as the real ones do? ``python -m bench.fidelity DIR``: from finished runs.

For each real task at hand and its emulation, or that of its nearest NEVIS'22 task (:data:`PAIRS`), Spearman's rank
correlation of the strategies' scores at one budget; then the mean over pairs and budgets, and that of each domain, with
Student's 95 % interval over pairs. Runs: ``bench/fidelity.toml`` (five pairs), ``bench/fidelity_pairs.toml`` (24).
"""

import argparse
import math
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
"""Real task and the emulated one that stands for it. Other tasks of nevis22(source=real) have their own emulation."""


def correlations(found: list[Scored]) -> dict[str, list[float]]:
    """Rank correlation between real and emulated, for each real task one a budget at which four strategies scored."""
    real = {s.task: s for s in found if "real" in s.stream or s.stream.startswith("nevis-mini")}
    result: dict[str, list[float]] = {}
    for task in real:
        twin = PAIRS.get(task, task)
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
                if math.isfinite(rank):  # Not where all strategies score the same on one side.
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
    scored = list(scores(parser.parse_args(arguments).folder))
    found = correlations(scored)
    for task, ranks in found.items():
        print(f"{task:18s} as {PAIRS.get(task, task):15s} {'  '.join(f'{rank:+.2f}' for rank in ranks)}")
    domains = {one.task: one.domain for one in scored}
    by_domain: dict[str, list[float]] = {"all domains": []}
    for task, ranks in found.items():
        by_domain["all domains"].append(fmean(ranks))
        by_domain.setdefault(domains[task], []).append(fmean(ranks))
    for domain, means in by_domain.items():
        print(f"{domain:18s} {mean_and_half(means, digits=2, sign=True)} (95% interval, n = {len(means)} pairs)")


if __name__ == "__main__":
    main()
