"""What do Avalanche's continual learning methods give under the same budget? One adapter for its methods.

One net learns all tasks, with a head for each. Every operation that Avalanche runs is counted one by one: EWC's pass
over the data, LwF's teacher, the old images of a replay.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from harness.compute.backbone import zero_head
from harness.core.errors import UserError, unknown
from harness.core.seeding import numpy_generator
from harness.core.task import Examples, Kind, Split, Task
from harness.learning.batches import stratified
from harness.learning.context import Context
from harness.learning.recipe import LearnerRecipe, Settled
from harness.learning.strategy import Infeasible, Learner
from strategies.learners.recipes import check_name, in_force, settled, version_with
from strategies.learners.starting import needs_one_of_each_class, start_head

METHODS: dict[str, dict[str, Any]] = {
    "Naive": {},
    "EWC": {"ewc_lambda": 1.0},
    "LwF": {"alpha": 1.0, "temperature": 2.0},
    "SynapticIntelligence": {"si_lambda": 0.01},
    "MAS": {"lambda_reg": 0.1, "alpha": 0.5},
    "Replay": {"mem_size": 200},
    "GEM": {"patterns_per_exp": 20, "memory_strength": 0.5},
    "AGEM": {"patterns_per_exp": 20, "sample_size": 64},
}
"""Methods and the settings that they need, Avalanche's own examples where it gives any."""

SHORT = {"SI": "SynapticIntelligence"}
FIRST_STEP = 4
"""The plain cost of a step is at most the budget by this, because nobody knows before what a method adds to it."""

AFTERWARDS = {"EWC": 1.0, "MAS": 1.0}
"""Passes over the data, forward and backward, after training; their cost is held back."""


@dataclass
class Avalanche(Learner):
    """A method of avalanche-lib: Naive, EWC, LwF, SI, MAS, Replay, GEM or AGEM; one net, a head a task.

    ``strength`` sets the method's first setting: the weight of its penalty, or the images that it remembers.
    ``damping`` is what SI adds to the squared distances that it divides by. ``init=scratch``: random weights.
    """

    method: str = "Naive"
    strength: float | None = None
    damping: float | None = None
    init: Literal["pretrained", "scratch"] = "pretrained"
    recipe: LearnerRecipe = LearnerRecipe()

    net: nn.Module | None = field(default=None, init=False, repr=False)
    _heads: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    _kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    """What is remembered from task to task: Avalanche's plugins and clock, and what the numbers of labels mean."""

    shares_weights: ClassVar[bool] = True
    resumable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_name(self.recipe)
        for option in ("choose", "choose_else"):
            if (choice := getattr(self.recipe, option)) not in (None, "end"):
                raise UserError(
                    f"avalanche({option}={choice}): its one net goes on to the next task with the weights that it "
                    f"ends with; leave out {option}"
                )
        self.method = SHORT.get(self.method, self.method)
        if self.method not in METHODS:
            raise unknown("method of Avalanche", self.method, [*METHODS, *SHORT])
        if self.strength is not None and not METHODS[self.method]:
            raise UserError(f"avalanche(method={self.method}): it has no strength")
        if self.damping is not None and self.method != "SynapticIntelligence":
            raise UserError(f"avalanche(method={self.method}): it has no damping; only SI has")
        if self.init not in ("pretrained", "scratch"):
            raise unknown("value of init", self.init, ["pretrained", "scratch"])

    @property
    def pretrained(self) -> bool:
        return self.init == "pretrained"

    def on_net(self, net: str) -> Self:
        return replace(self, recipe=in_force(self.recipe, net))

    @property
    def version(self) -> int:  # type: ignore[override]
        return version_with(self.recipe, 4)

    def prepare(self, ctx: Context) -> None:
        with _without_notices():
            from strategies.learners.avalanche_parts import MultiHead
        # AGEM reads gradients as if they lay in memory row by row.
        plain = torch.contiguous_format if self.method == "AGEM" else torch.preserve_format
        self.net = MultiHead(ctx.body(pretrained=self.pretrained).to(memory_format=plain))

    def learn(self, task: Task, ctx: Context) -> None:
        from strategies.learners.avalanche_parts import MultiHead, Pacer, one_task

        net, number = self.net, len(self._heads)
        assert isinstance(net, MultiHead), "prepare comes before learn"
        net.heads[str(number)] = zero_head(ctx.num_features, task.num_classes).to(ctx.device)
        self._heads[task.name] = number
        one, drawn = net.head_of(number), not self.pretrained
        recipe = settled(self.recipe, one, ctx, body=ctx.body_name, statistics_hold=ctx.statistics_hold, drawn=drawn)
        data, passes = task.load(Split.TRAIN), AFTERWARDS.get(self.method, 0.0)
        each = ctx.meter.price(one, ctx.shape(data)).flops
        needs_one_of_each_class(task, ctx.meter.affordable(each * (1 + passes)))
        start_head(one, data, task, ctx, recipe)
        affordable = ctx.meter.affordable(each * (1 + passes))
        # A method's own work in a step, such as a teacher's pass, shows when the step is done: none is too large.
        recipe = replace(recipe, batch_size=max(1, min(recipe.batch_size, int(affordable / FIRST_STEP))))
        if affordable < len(data):
            data = data[stratified(data.labels, int(affordable), numpy_generator(ctx.seed, task.name, "subset"))]
        if recipe.norm == "batch":
            data = _without_a_batch_of_one(data, recipe.batch_size, numpy_generator(ctx.seed, task.name, "even"))
        with _without_notices(), torch.enable_grad():
            net.statistics_hold, net.autocast = recipe.norm == "frozen", ctx.autocast(net)
            agent = self._agent(one_task(net, number, recipe), recipe, ctx)
            pacer = next(plugin for plugin in agent.plugins if isinstance(plugin, Pacer))
            pacer.begin(one, ctx, recipe, task.name, size=len(data), held_back=passes * each * len(data), each=each)
            numbers = self._kept["wanted"].numbers(data.labels)
            # Of these Avalanche asks no more than which classes there are; with several labels an image, all of them.
            classes = np.arange(len(data)) % task.num_classes if task.kind is Kind.MULTILABEL else numbers
            agent.train(_experience(ctx.inputs(data), numbers, classes, number), num_workers=0, shuffle=True)
        self._kept |= {"plugins": agent.plugins, "clock": agent.clock}
        net.eval()

    def _agent(self, optimiser: torch.optim.Optimizer, recipe: Settled, ctx: Context) -> Any:
        """Avalanche's strategy, with what it remembers of the tasks before."""
        import avalanche.training.supervised as methods

        from strategies.learners.avalanche_parts import Pacer, Targets

        wanted = self._kept.setdefault("wanted", Targets())
        wanted.smoothing = recipe.smoothing
        settings = dict(METHODS[self.method])
        if self.strength is not None:
            first = next(iter(settings))
            settings[first] = type(settings[first])(self.strength)
        if self.damping is not None:
            settings["eps"] = self.damping
        agent = getattr(methods, self.method)(
            model=self.net,
            optimizer=optimiser,
            criterion=wanted,
            train_mb_size=recipe.batch_size,
            train_epochs=1_000_000,
            device=ctx.device,
            plugins=[Pacer()],
            evaluator=None,
            **settings,
        )
        # The optimiser is new for each task and has the parameters that it should have.
        agent.make_optimizer = lambda **_: None
        if "plugins" in self._kept:
            agent.plugins, agent.clock = self._kept["plugins"], self._kept["clock"]
            for plugin in agent.plugins:
                if hasattr(plugin, "sample_size"):  # AGEM's is shared out evenly: one image of each task at least.
                    plugin.sample_size = max(plugin.sample_size, len(self._heads))
        return agent

    def predict(self, task: Task, images: Tensor) -> Tensor:
        from strategies.learners.avalanche_parts import MultiHead

        assert isinstance(self.net, MultiHead), "learn comes before predict"
        return self.net.head_of(self._heads[task.name])(images)


def _without_a_batch_of_one(data: Examples, batch_size: int, generator: np.random.Generator) -> Examples:
    """``data``, less one image where the last batch of an epoch would be one: batch norm cannot train on it.

    Raises:
        Infeasible: the budget pays for steps of one image only.
    """
    if batch_size < 2:
        raise Infeasible("the budget pays for steps of one image, which batch norm cannot train on")
    if len(data) % batch_size != 1:
        return data
    return data[np.sort(stratified(data.labels, len(data) - 1, generator))]


def _experience(inputs: Tensor, numbers: Any, classes: Any, task: int) -> Any:
    """One experience of Avalanche that holds the images of task number ``task``, and what is to be learnt of them."""
    from avalanche.benchmarks import benchmark_from_datasets
    from avalanche.benchmarks.utils.classification_dataset import _make_taskaware_classification_dataset
    from torch.utils.data import TensorDataset

    dataset = _make_taskaware_classification_dataset(
        TensorDataset(inputs, torch.from_numpy(numbers)), task_labels=[task] * len(numbers), targets=classes.tolist()
    )
    experience = benchmark_from_datasets(train=[dataset]).train_stream[0]
    # By these Avalanche knows that images come with the number of their task.
    experience.task_labels, experience.classes_in_this_experience = [task], sorted(set(classes.tolist()))
    return experience


@contextmanager
def _without_notices() -> Iterator[None]:
    """Avalanche warns of its own coming versions and of its dependencies'."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
