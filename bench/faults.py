"""Is anything finished ever lost? A short suite is killed at 200 random moments; every result must be as if it were not.

``python -m bench.faults [--kills 200] [--seed 0]``. Two runners share the folder, and each kill takes one process at
random: a run's, the one that runs are forked from, or a runner. After each kill the folder must be readable and must
still begin with every byte that was committed before.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from harness.records import RunStatus, canonical, line_of, read_log
from harness.store import RunStore

PLUGINS = Path(__file__).parents[1] / "tests" / "plugins"
SUITE = """
streams = ["tiny:bars"]
strategies = ["tiny:Finetune", "tiny:OwnLoop"]
budgets = ["1ep", "20ep"]
seeds = 8
[setting]
backbone = "tiny:net"
size = 16
"""
RUNNERS = 2


def start(suite: Path, out: Path) -> subprocess.Popen[bytes]:
    code = "import sys; from harness.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "run", str(suite), "--out", str(out), "--jobs", "2", "--retry-failed"]
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS)}
    log = (out / "runners.log").open("ab")
    with log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def descendants(pid: int) -> list[int]:
    """Children of ``pid`` and theirs."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [found for child in children for found in descendants(child)]


def committed(out: Path) -> dict[Path, bytes]:
    """The trusted part of every log."""
    return {path: path.read_bytes()[: read_log(path).length] for path in out.rglob("events.jsonl")}


def results(out: Path) -> dict[str, str]:
    """Canonical records of every run, as bytes would be compared."""
    logs = sorted(out.rglob("events.jsonl"))
    return {
        str(path.parent.relative_to(out)): "".join(map(line_of, canonical(read_log(path).records))) for path in logs
    }


def finish(suite: Path, out: Path) -> None:
    code = start(suite, out).wait()
    if code:
        raise SystemExit(f"the undisturbed runner left with {code}: see {out / 'runners.log'}")


def torture(suite: Path, out: Path, whole: dict[str, str], kills: int, rng: random.Random) -> Counter[str]:
    """Kill until there were ``kills``; a suite that gets done begins again in an empty folder."""
    killed: Counter[str] = Counter()
    rounds = 0
    while killed.total() < kills:
        rounds += 1
        place = out / f"round{rounds}"
        place.mkdir(parents=True)
        runners = [start(suite, place) for _ in range(RUNNERS)]
        before: dict[Path, bytes] = {}
        while killed.total() < kills and any(runner.poll() is None for runner in runners):
            time.sleep(rng.uniform(0.05, 0.8))
            runners = [r if r.poll() is None else start(suite, place) for r in runners]
            runner = rng.choice(runners)
            below = descendants(runner.pid)
            # Mostly a run; the fork server is among them, and now and then it is the runner itself.
            victim = rng.choice(below) if below and rng.random() < 0.9 else None
            if victim is None and not list(place.rglob("run.json")):
                continue
            try:
                os.kill(victim or runner.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed["process below a runner" if victim else "runner"] += 1
            after = committed(place)
            for path, content in before.items():
                assert after.get(path, b"").startswith(content), f"{path}: what was committed was done again or lost"
            before = after
            if all(RunStore(place / run).status() is RunStatus.DONE for run in whole):
                break
        for runner in runners:
            runner.wait()
        finish(suite, place)
        found = results(place)
        assert found == whole, f"{place}: other results than undisturbed"
        for path, content in before.items():
            assert path.read_bytes().startswith(content), f"{path}: what was committed was done again or lost"
        attempts = [json.loads(path.read_text())["attempts"] for path in place.rglob("run.json")]
        print(
            f"round {rounds}: {killed.total()} kills so far, {sum(attempts)} attempts at {len(attempts)} runs",
            flush=True,
        )
    return killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        suite, whole = Path(folder) / "short.toml", Path(folder) / "whole"
        suite.write_text(SUITE)
        whole.mkdir()
        finish(suite, whole)
        expected = results(whole)
        killed = torture(suite, Path(folder) / "broken", expected, options.kills, random.Random(options.seed))
    kinds = ", ".join(f"{count} of a {what}" for what, count in sorted(killed.items()))
    print(f"{killed.total()} kills ({kinds}) over {len(expected)} runs in {time.monotonic() - begun:.0f} s:")
    print("every result equals the undisturbed one, nothing committed was done again, every folder was readable")


if __name__ == "__main__":
    main()
