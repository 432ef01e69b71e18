"""Does a strategy keep the contract? Each promise is tried on real runs of small tasks, and answered in one line."""

import copy
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from harness.compute.caps import scored_tasks
from harness.compute.device import settle
from harness.compute.flops import UncountedOperation
from harness.compute.meter import BudgetExhausted
from harness.config.blame import blamed, method_line
from harness.config.registry import make, make_with_modules
from harness.conformance.started import watching_starts
from harness.conformance.trial import Attempt, Elsewhere, Trial, Work, noting_refusals
from harness.core.budget import Budget
from harness.core.schema import Record, TaskStatus
from harness.core.spec import Setting
from harness.core.task import HiddenSplit, Split, Task
from harness.learning.composition import Composition
from harness.learning.evaluation import WrongLogits, check_logits
from harness.learning.strategy import Strategy, nets
from harness.running.runner import Overspent
from harness.storage.records import canonical

STREAM = "nevis22(tasks=[umist, voc_actions])"
"""Emulated tasks, the second with several labels an image: what is tried is how a strategy learns, not how well."""

BACKBONE = "timm:test_efficientnet(weights=none)"
"""A net of 0.4 M parameters with depthwise convolutions and squeeze-excite."""

SIZE = 32
BUDGET = "0.5ep"

TOLERANCE = 0.02
"""Share by which charged and independently counted FLOPs may differ."""

RUNS = "runs a stream, with finite logits of the right shape"
PEEKS = "asks for no split that is hidden from it"
SPENDS = "keeps to its budget, by one step at most"
CHARGED = "is charged what it computes"
PREDICTS = "predicts without changing itself, each image by itself"
REPEATS = "depends on its seed and on nothing else"
RESUMES = "goes on from its state as if nothing had happened"
PROMISES = (RUNS, PEEKS, SPENDS, CHARGED, PREDICTS, REPEATS, RESUMES)
BODY = "makes the same body again, of the net that it is given and its seed alone, and leaves that net as it was"
"""Asked of a strategy that has a body."""

_ABOUT = {
    RUNS: ("predict", "learn"), PEEKS: ("learn",), SPENDS: ("learn",), CHARGED: ("learn", "adapted", "prepare"),
    PREDICTS: ("predict",), REPEATS: ("learn", "adapted"), RESUMES: ("state", "learn"), BODY: ("adapted",),
}  # fmt: skip
"""The methods that a promise is about."""

_PLACE = re.compile(r"\(\S+\.py:\d+\)$")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Answer:
    """Whether one promise is kept; ``why`` tells what was found where it is not."""

    promise: str
    holds: bool
    why: str = ""


def conformance(
    strategy: str,
    *,
    stream: str = STREAM,
    backbone: str = BACKBONE,
    size: int = SIZE,
    budget: str = BUDGET,
    device: str = "cpu",
) -> list[Answer]:
    """An answer for each promise that could be tried: all of them, unless the first run ended early.

    Raises:
        UserError: the strategy, stream or backbone cannot be opened.
    """
    settle(device)
    net = make("backbones", backbone)
    setting = Setting(backbone=backbone, weights_hash=net.weights_hash, size=size)
    trial = Trial(strategy, make("streams", stream), net, setting, Budget.parse(budget), device)
    trial.spec()
    faults = _Faults(strategy)
    promises = (*PROMISES[:-1], BODY, RESUMES) if isinstance(trial.opened(), Composition) else PROMISES
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        whole = faults.trying(RUNS, lambda: _run(trial, folder / "whole", faults))
        if whole is None:
            return faults.answers(list(faults))
        faults.trying(RUNS, lambda: _watch(trial, faults))
        faults.trying(BODY, lambda: _adapt(trial, faults))
        faults.trying(RESUMES, lambda: _resume(trial, folder / "resumed", whole, faults))
        if RESUMES not in faults:
            # What was stopped, went on and came out the same was done twice, and depends on nothing else either.
            return faults.answers(promises)
        faults.trying(REPEATS, lambda: _repeat(trial, folder / "again", whole, faults))
    # Where no two runs agree, nothing is known of the state.
    return faults.answers(promises[:-1] if REPEATS in faults else promises)


class _Faults(dict[str, str]):
    """Broken promises, and what was found first of each, with the place in the plugin ``strategy``."""

    def __init__(self, strategy: str) -> None:
        super().__init__()
        self.strategy = strategy

    def trying(self, promise: str, check: Callable[[], Result]) -> Result | None:
        """What ``check`` gives, or None if it raised: the promise that the exception is about is broken."""
        try:
            return check()
        except HiddenSplit as error:
            self._add(PEEKS, str(error), error)
        except (Overspent, BudgetExhausted) as error:
            self._add(SPENDS, str(error), error)
        except UncountedOperation as error:
            self._add(CHARGED, str(error), error)
        except WrongLogits as error:
            self._add(RUNS, str(error), error)
        except Elsewhere as error:
            self.setdefault(promise, str(error))
        except (Exception, SystemExit) as error:
            self._add(promise, f"{type(error).__name__}: {' '.join(str(error).split())}", error)
        return None

    def _add(self, promise: str, why: str, error: BaseException) -> None:
        place = blamed(error, self.strategy)
        self.setdefault(promise, f"{why} ({place})" if place else why)

    def answers(self, promises: Sequence[str]) -> list[Answer]:
        return [Answer(promise, promise not in self, self._placed(promise)) for promise in promises]

    def _placed(self, promise: str) -> str:
        """What was found, with the line of the method that it is about where it names none."""
        why = self.get(promise, "")
        if not why or _PLACE.search(why):
            return why
        made, modules = make_with_modules("strategies", self.strategy)
        place = next(filter(None, (method_line(made, method, modules) for method in _ABOUT[promise])), "")
        return f"{why} ({place})" if place else why


def _run(trial: Trial, folder: Path, faults: _Faults) -> list[Record]:
    """The records of a whole run."""
    found = trial.records(folder)
    for record in found:
        if record.get("metric") == "cross_entropy" and record["value"] is None:
            faults.setdefault(RUNS, f"logits that are not finite on task {record['task']!r}; expected finite numbers")
    if all(r["status"] == TaskStatus.INFEASIBLE for r in found if r["event"] == "learn"):
        faults.setdefault(RUNS, f"learnt no task: it takes {trial.budget} for too little; give it --budget")
    return found


def _resume(trial: Trial, folder: Path, whole: list[Record], faults: _Faults) -> None:
    # In a process of its own, as after a real interruption: what only a variable of a module holds is not there.
    trial.records(folder, stop_after=1)
    _agree(whole, trial.records_elsewhere(folder), RESUMES, faults)


def _repeat(trial: Trial, folder: Path, whole: list[Record], faults: _Faults) -> None:
    _agree(whole, trial.records(folder), REPEATS, faults)


def _agree(one: list[Record], other: list[Record], promise: str, faults: _Faults) -> None:
    for a, b in zip(canonical(one), canonical(other), strict=True):
        differing = [key for key in a if a[key] != b.get(key)]
        if differing:
            key = differing[0]
            faults.setdefault(promise, f"task {a['task']!r}: {key} was {a[key]}, then {b.get(key)}")


def _watch(trial: Trial, faults: _Faults) -> None:
    """Learn every task once more under a second counter, and predict some images of each in several ways."""
    with watching_starts() as started:
        attempt = Attempt(trial)
        _compare(attempt.setup, "before the stream", faults)
        _watch_tasks(trial, attempt, faults)
    for what in started:
        faults.setdefault(CHARGED, what)


def _watch_tasks(trial: Trial, attempt: Attempt, faults: _Faults) -> None:
    for task in scored_tasks(trial.stream, trial.spec()):
        asked: list[Split] = []
        view, place = noting_refusals(task, asked), f"task {task.name!r}"
        work = attempt.learn(view)
        _compare(work, place, faults)
        step = work.charged / work.steps if work.steps else 0.0
        if work.charged > work.cap + 1.01 * step:
            faults.setdefault(SPENDS, f"{place} spent {work.charged - work.cap:.3g} FLOPs over its budget")
        if work.later:
            faults.setdefault(CHARGED, f"{place}: a thread computed {work.later:.4g} FLOPs after learn had returned")
        if work.learnt:
            faults.trying(PREDICTS, partial(_predict, attempt, view, faults))
        if asked:
            faults.setdefault(PEEKS, f"{place}: asked for {asked[0]}, and went on when it was refused")


def _adapt(trial: Trial, faults: _Faults) -> None:
    """Make the body twice of one net; between, other things draw from the global generators."""
    strategy = trial.opened()
    if not isinstance(strategy, Composition):
        return
    given = trial.backbone.build(pretrained=strategy.learner.pretrained)
    before = copy.deepcopy(given.state_dict())
    first = strategy.body.adapted(given, trial.setting.size, seed=1).state_dict()
    torch.manual_seed(torch.initial_seed() + 1)
    again = trial.opened()
    assert isinstance(again, Composition)
    second = again.body.adapted(given, trial.setting.size, seed=1).state_dict()
    if list(first) != list(second) or not all(map(_equal, first.values(), second.values())):
        faults.setdefault(BODY, "the same net and seed gave another body the second time")
    if not all(map(_equal, before.values(), given.state_dict().values())):
        faults.setdefault(BODY, "it changed the net that it was given; change a copy")


def _compare(work: Work, place: str, faults: _Faults) -> None:
    if work.charged < (1 - TOLERANCE) * work.counted:
        faults.setdefault(CHARGED, f"{place}: {work.charged:.4g} FLOPs were charged, {work.counted:.4g} were done")


def _predict(attempt: Attempt, task: Task, faults: _Faults) -> None:
    strategy = attempt.strategy
    images = attempt.ctx.inputs(task.load(Split.DEV), slice(0, 8))
    before = _held(strategy)
    with torch.inference_mode():
        whole, again = strategy.predict(task, images), strategy.predict(task, images)
        singly = [strategy.predict(task, images[i : i + 1]) for i in range(len(images))]
    for logits, n in [(whole, len(images)), *((one, 1) for one in singly)]:
        check_logits(logits, images[:n], task)
        if not logits.isfinite().all():
            odd = int((~logits.isfinite()).any(dim=1).sum())
            faults.setdefault(
                RUNS,
                f"logits that are not finite for {odd} of {n} images of task {task.name!r}; expected finite numbers",
            )
            return
    if not torch.equal(whole, again):
        faults.setdefault(PREDICTS, "the same images gave other logits the second time")
    if not all(map(_equal, before, _held(strategy))):
        faults.setdefault(PREDICTS, "predict changed weights, or what state() gives")
    # Batches of other sizes are summed in other orders: a thousandth of the largest logit is rounding.
    if not torch.allclose(whole, torch.cat(singly), rtol=1e-3, atol=1e-3 * max(1.0, float(whole.abs().max()))):
        faults.setdefault(PREDICTS, "an image's logits depend on the others of its batch")


def _held(strategy: Strategy) -> list[Any]:
    """Copies of all that a strategy holds: its modules' tensors, and its state."""
    return list(_leaves([[net.state_dict() for net in nets(strategy)], strategy.state()]))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value.detach().clone() if isinstance(value, Tensor) else value


def _equal(one: Any, other: Any) -> bool:
    return torch.equal(one, other) if isinstance(one, Tensor) and isinstance(other, Tensor) else bool(one == other)
