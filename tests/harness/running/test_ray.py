"""On a Ray cluster the same runs give the same events, and a node that dies costs its own runs' current tasks only."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.config.suite import build_suite
from harness.core.errors import UserError
from harness.core.schema import RunStatus
from harness.core.spec import RunSpec, Setting
from harness.running.executor import Outcome, run_all
from harness.storage.records import canonical, line_of, read_log
from harness.storage.run_folder import RunFolder

ray: Any = pytest.importorskip("ray", reason="ray is an extra: pip install 'nevis-harness[cluster]'")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]

from harness.running.ray import run_on_ray  # noqa: E402  (after it is known that ray is there)


class Notes:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.learnt: list[tuple[int, str]] = []
        self.outcomes: list[Outcome] = []

    def began(self, spec: RunSpec) -> None:
        self.begun.append(spec.seed)

    def received(self, spec: RunSpec, message: Any) -> None:
        if message.record:
            self.learnt.append((spec.seed, message.task))

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[Any, list[Any]]]:
    """A cluster: a head that runs nothing, and two nodes with a CPU each."""
    from ray.cluster_utils import Cluster

    memory = 80_000_000
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": memory}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    members = [cluster.add_node(num_cpus=1, object_store_memory=memory) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster, members
    ray.shutdown()
    cluster.shutdown()


def specs(strategy: str) -> list[RunSpec]:
    setting = Setting(backbone="tiny:net", size=16)
    streams, seeds = ["tiny:bars(tasks=2)"], [0, 1, 2]
    return build_suite(
        name="t", about="", streams=streams, strategies=[strategy], budgets=["0.5ep"], seeds=seeds, setting=setting
    ).specs()


def log(store: RunFolder) -> str:
    return "".join(map(line_of, canonical(read_log(store.events).records)))


def ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_killed_node_costs_the_current_tasks_of_its_runs_and_events_are_those_of_one_machine(
    nodes: tuple[Any, list[Any]], tmp_path: Path
) -> None:
    cluster, members = nodes
    flag = tmp_path / "flag"
    asked = specs(f"rogue:Rogue(how=waits, flag='{flag}')")
    stores = [RunFolder(tmp_path / "ray" / spec.folder) for spec in asked]
    before: dict[int, bytes] = {}
    hit: list[int] = []

    def kill_a_node() -> None:
        waiting: list[int] = []
        while len(waiting) < 2:
            time.sleep(0.1)
            waiting = [number for number, store in enumerate(stores) if store.records()]
        before.update({number: stores[number].events.read_bytes() for number in waiting})
        worker = int((stores[waiting[0]].folder / "lock").read_text().split()[1])
        family = set(ancestors(worker))
        (node,) = [n for n in members if n.all_processes["raylet"][0].process.pid in family]
        hit.append(waiting[0])
        cluster.remove_node(node, allow_graceful=False)
        # A run does not outlive the node it is on; only then may the others go on.
        while Path(f"/proc/{worker}").exists():
            time.sleep(0.1)
        flag.touch()

    killer = threading.Thread(target=kill_a_node)
    killer.start()
    notes = Notes()
    outcomes = run_on_ray(asked, tmp_path / "ray", jobs=3, watch=notes)
    killer.join()
    assert [outcome.status for outcome in outcomes] == [RunStatus.DONE] * 3, outcomes
    assert notes.outcomes == outcomes
    assert sorted(notes.begun) == [0, 1, 2]
    assert sorted(notes.learnt) == [(seed, task) for seed in range(3) for task in ("bars0", "bars1")]
    attempts = [store.describe()["attempts"] for store in stores]
    assert [number for number, count in enumerate(attempts) if count != 1] == hit
    for number, content in before.items():
        assert stores[number].events.read_bytes().startswith(content), "what was committed was learnt again"
    local = run_all(asked, tmp_path / "local", jobs=1, watch=Notes())
    assert [outcome.status for outcome in local] == [RunStatus.DONE] * 3
    assert [log(store) for store in stores] == [log(RunFolder(tmp_path / "local" / spec.folder)) for spec in asked]


def test_a_run_that_fails_on_its_node_is_said_here(nodes: tuple[Any, list[Any]], tmp_path: Path) -> None:
    broken, *_ = specs("rogue:Rogue(how=aborts)")
    fine, *_ = specs("tiny:Finetune")
    notes = Notes()
    outcomes = {o.spec.strategy: o for o in run_on_ray([broken, fine], tmp_path, jobs=None, watch=notes)}
    assert outcomes[fine.strategy].status is RunStatus.DONE
    assert outcomes[broken.strategy].status is RunStatus.FAILED
    assert "killed by SIGABRT" in outcomes[broken.strategy].reason
    assert RunFolder(tmp_path / broken.folder).status() is RunStatus.FAILED


def test_a_run_that_no_node_has_room_for_is_refused(nodes: tuple[Any, list[Any]], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a run takes 0\.5 GPU, the Ray cluster has 0 in all"):
        run_on_ray(specs("tiny:Finetune"), tmp_path, jobs=None, watch=Notes(), gpus=0.5)
    assert not list(tmp_path.iterdir())
