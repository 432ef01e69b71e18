"""Is anything finished ever lost? A short suite is killed at 200 random moments and must end as if it were not.

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

from harness.core.schema import RunStatus
from harness.storage.records import canonical, line_of, read_log
from harness.storage.run_folder import RunFolder

PLUGINS = Path(__file__).parents[1] / "tests" / "plugins"
SUITE = """
streams = ["tiny:bars"]
strategies = ["tiny:Finetune", "tiny:OwnLoop"]
budgets = ["5ep", "20ep"]
seeds = 8
[setting]
backbone = "tiny:net"
size = 16
"""
RUNNERS = 2
ODDS = {"run": 0.85, "fork server": 0.05, "runner": 0.1}
"""What is killed: the process of a run, the one that runs are forked from, or the runner that gives them out."""


def start(suite: Path, out: Path) -> subprocess.Popen[bytes]:
    code = "import sys; from harness.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "run", str(suite), "--out", str(out), "--jobs", "2", "--retry-failed"]
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS)}
    log = (out / "runners.log").open("ab")
    with log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def running(out: Path) -> list[int]:
    """The processes that are on a run right now, and that still have the one they were forked from."""
    found = []
    for manifest in out.rglob("run.json"):
        store = RunFolder(manifest.parent)
        if store.status() is RunStatus.RUNNING:
            holder = (store.folder / "lock").read_text().split()
            found += [int(pid) for pid in holder[1:2] if ours(int(pid)) and ours(parent(int(pid)))]
    return found


def ours(pid: int) -> bool:
    """Whether that is a fork server or was forked from one; nothing else is ever killed by its number."""
    try:
        return b"multiprocessing.forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


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
            time.sleep(rng.uniform(0.05, 1.5))
            if all(RunFolder(place / run).status() is RunStatus.DONE for run in whole):
                break
            runners = [r if r.poll() is None else start(suite, place) for r in runners]
            if not (pids := running(place)):
                continue
            what, pid = rng.choices(list(ODDS), list(ODDS.values()))[0], rng.choice(pids)
            if what == "runner":
                rng.choice(runners).kill()
            elif ours(victim := pid if what == "run" else parent(pid)):
                os.kill(victim, signal.SIGKILL)
            else:
                continue
            killed[what] += 1
            after = committed(place)
            for path, content in before.items():
                assert after.get(path, b"").startswith(content), f"{path}: what was committed was done again or lost"
            before = after
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
