"""What is the least error known of each task? ``python -m bench.best_known BUNDLE...`` writes the table of the reports.

For each task the least mean error of any strategy at any budget with three seeds or more, over all nets: a mark that
does not move with who takes part. That the least of many is a little lucky moves all scores alike.
"""

import argparse
from pathlib import Path

import numpy as np

from reports.boards.anchors import base_stream
from reports.boards.board import boards
from reports.reading.frame import read

TARGET = Path(__file__).parents[1] / "reports" / "boards" / "best_known.toml"
SEEDS = 3


def least(given: list[Path]) -> dict[str, dict[str, float]]:
    """The least error of each task, by stream."""
    found: dict[str, dict[str, float]] = {}
    for board in boards(read(given)):
        mine = found.setdefault(base_stream(str(board.setting["stream"])), {})
        for cell in board.cells:
            for task, errors in zip(board.tasks["task"], board.values(*cell), strict=True):
                there = errors[~np.isnan(errors)]
                if len(there) >= SEEDS:
                    mine[str(task)] = min(mine.get(str(task), 1.0), float(there.mean()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.best_known", description=__doc__)
    parser.add_argument("given", nargs="+", type=Path, metavar="BUNDLE")
    lines = ["# Least error known of each task, on dev_test. Made by: python -m bench.best_known BUNDLE..."]
    for stream, tasks in sorted(least(parser.parse_args().given).items()):
        lines += ["", f"['{stream}']", *(f'"{task}" = {error:.4f}' for task, error in tasks.items())]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
