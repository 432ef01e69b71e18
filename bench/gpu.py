"""What does one GPU do? Ten minutes at most: loops side by side, FLOPs as on a CPU, many runs at a time, the contract.

``python -m bench.gpu --write`` puts the table into ``bench/GPU.md``. ``--dry`` goes the same way on a CPU with next to
nothing to do, so that only the card is new where a card is had. What its time does not suffice for is said.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import torch  # noqa: E402  (threads are set before torch is imported)
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from bench.work import HALF, LITE0, RESNET18, classifier, context, images, short, steps  # noqa: E402
from harness.compute.device import settle  # noqa: E402
from harness.compute.flops import flops_train  # noqa: E402
from harness.compute.meter import ComputeMeter  # noqa: E402
from harness.config.registry import entries  # noqa: E402
from harness.conformance.promises import conformance  # noqa: E402
from harness.core.errors import UserError  # noqa: E402
from harness.core.schema import Record  # noqa: E402
from harness.core.spec import Precision  # noqa: E402
from harness.core.task import Examples  # noqa: E402
from harness.learning.batches import normalised  # noqa: E402
from harness.learning.context import Batch, Context  # noqa: E402
from harness.learning.recipe import Recipe  # noqa: E402
from harness.learning.resident import Resident  # noqa: E402
from harness.learning.training import fit  # noqa: E402
from harness.running.study import Crew, Request, carry_out  # noqa: E402
from harness.storage.records import read_log  # noqa: E402

TABLE = Path(__file__).parent / "GPU.md"


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes:
        steps: of each loop. repeats: of each measurement; its median is shown.
        strategies: that are tried; none: all of them, or some where runs are long.
        streams, backbone: of whole runs, instead of those of the suite ``smoke``. budget: of a task in them.
        jobs: numbers of runs at a time.
        minutes: after which nothing new is begun.
    """

    device: str = "cuda"
    nets: tuple[str, ...] = (HALF, LITE0, RESNET18)
    batches: tuple[int, ...] = (16, 128)
    size: int = 64
    steps: int = 150
    repeats: int = 3
    strategies: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    backbone: str | None = None
    budget: str = "1ep"
    jobs: tuple[int, ...] = (1, 2, 4, 8, 16)
    seeds: int = 16
    minutes: float = 9.0


DRY = Plan(
    "cpu", (RESNET18,), (4,), 32, steps=6, repeats=1, strategies=("ridge",), streams=("nevis22(tasks=[umist])",),
    backbone="timm:test_efficientnet(weights=none)", budget="0.2ep", jobs=(1,), seeds=1, minutes=60,
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda (default) or cuda:N")
    parser.add_argument("--dry", action="store_true", help="next to nothing, on the CPU: does the script run?")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    asked = parser.parse_args()
    plan = DRY if asked.dry else Plan(asked.device)
    text = ""
    for line in table(plan):
        print(line, flush=True)
        text += f"{line}\n"
        if asked.write and not asked.dry:
            # As it stands: whoever lends the card may take it back at any time.
            TABLE.write_text(text, encoding="utf-8")


def table(plan: Plan) -> Iterator[str]:
    """The lines of the file, each as soon as it is known."""
    begun = time.monotonic()
    settle(plan.device)
    torch.set_num_threads(1)
    gpu = torch.device(plan.device).type == "cuda"
    yield f"# One GPU\n\n{torch.cuda.get_device_name() if gpu else 'a dry run on a CPU'}, torch {torch.__version__}."
    parts: list[tuple[str, str, Callable[[Plan], Iterator[str]]]] = [
        ("Loops", "| net, batch, format | loop | images/s | times the bare loop | TFLOP/s, share of the peak |", loops),
        ("Number formats", "| net | format | images/s |", formats),
        ("One card against one core", "| net | card / core, images/s |", against_a_core),
        ("FLOPs and errors beside those of a CPU", "| strategy | FLOPs | errors |", beside_cpu),
        ("Runs at a time", "| jobs | seconds | runs a minute | memory of the card, GiB |", many),
        ("The contract", "| strategy | |", promises),
    ]
    for title, header, part in parts:
        yield f"\n## {title}\n\n{header}\n|{' --- |' * (header.count('|') - 1)}"
        lines = part(plan)
        while True:
            if (time.monotonic() - begun) / 60 > plan.minutes:
                yield f"\nNot measured any further: the {plan.minutes:g} minutes were over."
                return
            try:
                yield next(lines)
            except StopIteration:
                break
            except torch.OutOfMemoryError as error:
                yield f"\nEnded by: {str(error).partition('.')[0]}."
                break


# Loops.


def loops(plan: Plan) -> Iterator[str]:
    for net in plan.nets:
        for precision in _formats(net):
            peak = convolution_peak(plan, precision)
            for batch in plan.batches:
                first = None
                for what, loop in (
                    ("bare", bare),
                    ("ours", ours),
                    ("CUDA graph by hand", by_hand),
                    ("Avalanche", naive),
                ):
                    work = loop(plan, net, batch, precision)
                    speed = plan.steps * batch / _seconds(work, plan)
                    first = first or speed
                    flops = speed * _flops_each(net, plan.size)
                    yield (
                        f"| {short(net)}, {batch}, {precision} | {what} | {speed:.0f} | {speed / first:.2f} | "
                        f"{flops / 1e12:.2f}, {flops / peak:.0%} |"
                    )


def _formats(net: str) -> tuple[Precision, ...]:
    return ("fp32", "bf16") if net == HALF else ("bf16",)


def _flops_each(net: str, size: int) -> float:
    return flops_train(context(net, size).body(pretrained=False).train(), 2, 3, size, size) / 2


def _set(plan: Plan, net: str, batch: int, precision: Precision) -> tuple[Examples, Context, nn.Module]:
    data = images(4 * batch, plan.size)
    ctx = context(net, plan.size, precision=precision)
    ctx.device, ctx.meter = plan.device, ComputeMeter(device=plan.device)
    return data, ctx, classifier(ctx, data)


def ours(plan: Plan, net: str, batch: int, precision: Precision) -> Callable[[], None]:
    """The harness's loop, metering on; recording the step is part of it."""
    data, ctx, built = _set(plan, net, batch, precision)
    recipe = Recipe(lr=1e-3, head_lr=1e-3, norm="frozen", batch_size=batch, augment=False)
    epochs = steps(plan.steps, batch, len(data))

    def work() -> None:
        with ctx.meter:
            fit(built, data, ctx, name="bench", recipe=recipe, epochs=epochs)

    return work


def bare(plan: Plan, net: str, batch: int, precision: Precision) -> Callable[[], None]:
    """A loop as it stands in tutorials: batches from the host, one kernel after the other."""
    data, ctx, built = _set(plan, net, batch, precision)
    optimizer = torch.optim.SGD(built.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=1e-4)

    def work() -> None:
        _frozen(built)
        for step in range(plan.steps):
            at = slice(step % 4 * batch, (step % 4 + 1) * batch)
            inputs = normalised(data.images[at], ctx.backbone, size=plan.size).to(plan.device)
            wanted = torch.from_numpy(data.labels[at]).to(plan.device)
            with ctx.autocast(built):
                logits = built(inputs)
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(logits.float(), wanted).backward()
            optimizer.step()

    return work


def by_hand(plan: Plan, net: str, batch: int, precision: Precision) -> Callable[[], None]:
    """The least that a loop can be: data on the card, one recorded step, nothing else. On a CPU the step itself."""
    data, ctx, built = _set(plan, net, batch, precision)
    optimizer = torch.optim.SGD(built.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)
    pixels = Resident().rows(data.images, slice(None), plan.device)
    every = normalised(pixels, ctx.backbone, size=plan.size)
    wanted = torch.from_numpy(data.labels).to(plan.device)
    held = Batch(every[:batch].clone(), wanted[:batch].clone(), 0.0)

    def step() -> None:
        with ctx.autocast(built):
            logits = built(held.inputs)
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(logits.float(), held.targets).backward()
        optimizer.step()

    def work() -> None:
        _frozen(built)
        replay = _recorded(step) if torch.device(plan.device).type == "cuda" else step
        for number in range(plan.steps):
            at = slice(number % 4 * batch, (number % 4 + 1) * batch)
            held.inputs.copy_(every[at])
            held.targets.copy_(wanted[at])
            replay()

    return work


def _recorded(step: Callable[[], None]) -> Callable[[], None]:
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    with torch.cuda.graph(graph, stream=stream):
        step()
    return graph.replay


def naive(plan: Plan, net: str, batch: int, precision: Precision) -> Callable[[], None]:
    """Avalanche as its users run it; its number format is the weights'."""
    from bench.avalanche_naive import pictures, train_naively

    data, ctx, built = _set(plan, net, batch, precision)
    every = Examples(*(getattr(data, what)[[i % len(data) for i in range(plan.steps * batch)]] for what in _PARTS))
    examples = pictures(every, ctx, size=plan.size)

    def work() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            train_naively(built, examples, rate=1e-3, epochs=1, batch=batch, device=plan.device)

    return work


_PARTS = ("images", "labels")


def _frozen(net: nn.Module) -> None:
    """In train mode, but for norms, which keep their statistics: as the recipe of ``ours`` has them."""
    net.train()
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _seconds(work: Callable[[], Any], plan: Plan) -> float:
    """Median wall seconds, once to warm up; the device has done all when the clock is read."""
    wait = torch.cuda.synchronize if torch.device(plan.device).type == "cuda" else nullcontext
    times = []
    for _ in range(plan.repeats + 1):
        wait()
        begun = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - begun)
    return median(times[1:])


def convolution_peak(plan: Plan, precision: Precision) -> float:
    """FLOP/s of a 3x3 convolution of many channels, which is bound by arithmetic; the best of a few."""
    many, side = (256, 28) if torch.device(plan.device).type == "cuda" else (1, 8)
    kind = {"dtype": torch.bfloat16 if precision == "bf16" else torch.float32, "device": plan.device}
    x = torch.zeros(many, 256, side, side, **kind).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    weight = torch.zeros(256, 256, 3, 3, **kind).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def work() -> None:
        with torch.inference_mode():
            for _ in range(10):
                functional.conv2d(x, weight, padding=1)

    return max(10 * 2 * many * 256 * side * side * 256 * 9 / _seconds(work, plan) for _ in range(3))


def formats(plan: Plan) -> Iterator[str]:
    """IEEE fp32, TF32 and bf16, at the largest batch."""
    batch = max(plan.batches)
    for net in plan.nets:
        for what, precision, tf32 in (("fp32", "fp32", False), ("TF32", "fp32", True), ("bf16", "bf16", False)):
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
            try:
                speed = plan.steps * batch / _seconds(ours(plan, net, batch, precision), plan)  # type: ignore[arg-type]
            finally:
                torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
            yield f"| {short(net)}, {batch} | {what} | {speed:.0f} |"


def against_a_core(plan: Plan) -> Iterator[str]:
    batch = min(plan.batches)
    for net in plan.nets:
        core = Plan("cpu", size=plan.size, steps=min(plan.steps, 6), repeats=1)
        card, one = (p.steps * batch / _seconds(ours(p, net, batch, "bf16"), p) for p in (plan, core))
        yield f"| {short(net)}, {batch}, bf16 | {card / one:.1f}: {card:.0f} / {one:.0f} |"


# Whole runs.


def beside_cpu(plan: Plan) -> Iterator[str]:
    """The same runs on the card and on the CPU: FLOPs must be equal, errors differ by the noise of training."""
    for strategy in plan.strategies or ("finetune", "ridge", "filter_pruned(flops=0.5)"):
        card, cpu = (_tasks(plan, strategy, device=device) for device in (plan.device, "cpu"))
        theirs, ours = ([record["flops"] for record in one if record["event"] == "learn"] for one in (card, cpu))
        same = "equal" if theirs == ours else f"DIFFERENT: {theirs} / {ours}"
        errors = ", ".join(
            f"{one['value']:.3f} / {other['value']:.3f}"
            for one, other in zip(card, cpu, strict=True)
            if one.get("metric") == "error"
        )
        yield f"| `{strategy}` | {same} | {errors} |"


def _tasks(plan: Plan, strategy: str, *, device: str) -> list[Record]:
    """The records of one run."""
    with tempfile.TemporaryDirectory() as folder:
        _carried_out(plan, Path(folder), strategy, device=device, jobs=1, seeds=1)
        return [record for file in sorted(Path(folder).rglob("events.jsonl")) for record in read_log(file).records]


def _carried_out(plan: Plan, out: Path, strategy: str, *, device: str, jobs: int, seeds: int) -> None:
    what = Request(
        "smoke",
        plan.streams,
        (strategy,),
        (plan.budget,),
        seeds=seeds,
        backbones=(plan.backbone,) if plan.backbone else (),
        size=plan.size,
    )
    stand = carry_out(what, out, Crew(jobs=jobs, device=device), say=lambda _: None)
    if stand.failed:
        raise SystemExit(f"{strategy} on {device}: a run failed; its run.json below {out} says why")


def many(plan: Plan) -> Iterator[str]:
    """Several runs at a time on one card; the process from which runs are forked is up already."""
    for jobs in plan.jobs:
        with tempfile.TemporaryDirectory() as folder, _Memory(plan.device) as memory:
            begun = time.perf_counter()
            _carried_out(plan, Path(folder), "finetune", device=plan.device, jobs=jobs, seeds=plan.seeds)
            seconds = time.perf_counter() - begun
        yield f"| {jobs} | {seconds:.1f} | {60 * plan.seeds / seconds:.1f} | {memory.most / 2**30:.1f} |"


def promises(plan: Plan) -> Iterator[str]:
    """``harness check`` of every strategy."""
    for strategy in plan.strategies or sorted(entries("strategies")):
        try:
            broken = [answer for answer in conformance(strategy, device=plan.device) if not answer.holds]
            found = "; ".join(f"BROKEN: {answer.promise}: {answer.why}" for answer in broken) or "kept"
        except UserError as error:
            found = str(error)
        yield f"| `{strategy}` | {found} |"


class _Memory:
    """The most memory of the device that was in use, by all processes, as looked at ten times a second."""

    def __init__(self, device: str) -> None:
        self.device, self.most = device, 0.0

    def __enter__(self) -> "_Memory":
        self._pool, self._over = ThreadPoolExecutor(1), False
        self._look = self._pool.submit(self._watch)
        return self

    def _watch(self) -> None:
        while not self._over and torch.device(self.device).type == "cuda":
            free, whole = torch.cuda.mem_get_info()
            self.most = max(self.most, whole - free)
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._look.result()
        self._pool.shutdown()


if __name__ == "__main__":
    main()
