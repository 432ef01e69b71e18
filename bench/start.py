"""How long until something is seen? Starting the command line, as whole processes, wall time."""

import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from bench.pairs import Line

_CODE = "import sys; from harness.cli import main; main(sys.argv[1:])"


def rows(pairs: int) -> Iterator[Line]:
    for arguments, aim in (
        (["--help"], "< 0.3 s"),
        (["list", "strategies"], "< 0.5 s"),
        (["list", "suites"], "< 0.5 s"),
    ):
        times = [_seconds(arguments) for _ in range(pairs + 1)][1:]
        yield Line("start", f"harness {' '.join(arguments)}", None, aim, f"{median(times):.2f} s, median of {pairs}")
    check = "import sys, harness.cli; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], check=False)
    yield Line("start", "importing the command line imports torch", None, "no", "yes" if done.returncode else "no")


def _seconds(arguments: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", _CODE, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun
