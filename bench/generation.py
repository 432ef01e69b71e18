"""How fast are emulated images made? ``python -m bench.generation``: images a second on one core, by domain.

Process time of one thread, painting alone: labels, splits and the cache are left out.
"""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

from statistics import median  # noqa: E402  (threads are set before numpy is imported)
from time import process_time  # noqa: E402

from harness.core.task import Split  # noqa: E402
from streams.emulation.draws import Draws  # noqa: E402
from streams.nevis22.emulated import CHUNK, Design, design  # noqa: E402
from streams.nevis22.table import entries  # noqa: E402

REPEATS = 5


def rate(plan: Design) -> float:
    """Images a second: the best of some chunks, so that what else runs on the machine counts least."""
    labels = plan._labels(Split.TRAIN, plan.sizes[Split.TRAIN])[:CHUNK]
    taken = []
    for repeat in range(REPEATS):
        start = process_time()
        plan.generators[Split.TRAIN].render(labels, Draws("bench", repeat))
        taken.append(process_time() - start)
    return len(labels) / min(taken)


def main() -> None:
    of: dict[str, list[float]] = {}
    for entry in {entry.dataset: entry for entry in entries("full")}.values():
        of.setdefault(entry.row["domain"], []).append(rate(design(entry)))
    for domain, rates in sorted(of.items()):
        spread = f"({min(rates):.0f} to {max(rates):.0f}, {len(rates)} data sets)"
        print(f"{domain:20s} {median(rates):7.0f} images/s  {spread}")
    print(f"median over {len(of)} domains: {median(median(rates) for rates in of.values()):.0f} images/s")


if __name__ == "__main__":
    main()
