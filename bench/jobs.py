"""Do two processes do twice the work? The wall time of one small suite at one job and at two."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from bench.pairs import Line, in_turn

_CODE = "import sys; from harness.cli import main; main(sys.argv[1:])"


def rows(pairs: int) -> Iterator[Line]:
    ratio = in_turn(lambda: _suite(2), lambda: _suite(1), pairs=pairs, clock=time.perf_counter)
    what = "one job / two jobs, wall time of 8 runs on two tasks, start-up included"
    yield Line("jobs", what, ratio, ">= 1.8", "needs two quiet cores")


def _suite(jobs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["run", "smoke", "--strategy", "finetune", "--budget", "1ep", "--seeds", "8"]
        command = [sys.executable, "-c", _CODE, *arguments, "--jobs", str(jobs), "--out", folder]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"bench jobs: harness run left with {done.returncode}:\n{done.stderr[-2000:]}")
