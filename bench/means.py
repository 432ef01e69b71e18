"""Why is the mean of what removed units added not given back? A ridge head right after, with three means of each.

    python -m bench.means [--stream S]... [--net B]... [--out bench/MEANS.md]

A layer that reads a pruned width misses, on average, the kernel sums of the removed units times their means. Its bias
can give that back in closed form. The means are a guess where there are no data: here by the batch norm in front, as
those of a clipped Gaussian (``E[act(N(beta, gamma^2))]``), by random pictures, and, to tell a bad idea from a bad
guess, by the images of the task themselves. ``off`` is how far the guesses lie from the last: the squared error of
what is given back, over all layers, as a share of its square.

Not, as ``bench/MEANS.md`` shows on four nets, because the guess is bad: at a quarter of the FLOPs the means of the
task's own images ruin more than they give back (+3 to +10 points), and at half they are nowhere surely a help. They
are those of the dense net, and behind other pruned layers the inputs are others. The norm's guess ruins Lite0 at half,
though it is hardly further off than that of random pictures, which there are 3 points ahead: it is off to one side, the
residual stream adds that up over 15 layers, and the last activation then cuts all features off (their mean falls from
1.3 to 6e-7 on the first task). So nothing is given back by default.

Development tasks only, as in :mod:`bench.transfer`.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import mean

import click
import torch
from torch import Tensor, nn

from bench.intervals import mean_and_half
from bench.transfer import EMULATED, FLOPS, SIZE, error, few, listed, short
from harness.compute.backbone import Backbone
from harness.compute.meter import ComputeMeter
from harness.config.registry import make
from harness.config.suite import opened
from harness.core.environment import environment
from harness.core.spec import Setting
from harness.core.task import Split, Task
from harness.learning.context import Context
from strategies.bodies.structure.groups import Group, Member
from strategies.bodies.structure.pruning import Pruning, kept_units, prunable
from strategies.bodies.structure.removal import Kept, remove
from strategies.bodies.structure.units import by_unit, layer, positions_first, weight_of
from strategies.bodies.transport.probes import brightness, probes

PICTURES = 64
Means = Mapping[str, Tensor]
"""By the name of a layer that reads a width, float64 (positions,): the mean of each of its inputs."""


def seen(net: nn.Module, groups: list[Group], inputs: Tensor) -> Means:
    """The means of what the layers that read ``groups`` get, over ``inputs`` (n, 3, h, w)."""
    probe, found = copy.deepcopy(net).eval(), {}

    def read(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
            values = given[0].movedim(1, 0) if given[0].ndim == 4 else given[0].movedim(-1, 0)
            found[name] = values.flatten(1).double().mean(dim=1)

        return hook

    for group in groups:
        for member in group.of("consumer"):
            module = layer(probe, member.module)
            assert isinstance(module, nn.Module)
            module.register_forward_pre_hook(read(member.module))
    with torch.no_grad():
        probe(inputs)
    return found


def gaussian(net: nn.Module, groups: list[Group]) -> Means | None:
    """The means that the last norm before each layer tells, behind the net's activation; None where one has no norm."""
    top = 6.0 if any(isinstance(module, nn.ReLU6) for module in net.modules()) else torch.inf
    found = {}
    for group in groups:
        layers = [layer(net, member.module) for member in group.of("unitwise")]
        norms = [one for one in layers if isinstance(one, nn.modules.batchnorm._BatchNorm) and one.affine]
        if not norms:
            return None
        drawn = torch.randn(4096, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        values = (norms[-1].bias.detach().double() + norms[-1].weight.detach().double() * drawn).clamp(0, top)
        for member in group.of("consumer"):
            found[member.module] = values.mean(dim=0)
    return found


def given_back(net: nn.Module, groups: list[Group], kept: Kept, means: Means) -> dict[str, Tensor]:
    """By layer, float64 (outputs,): what its removed inputs add on average."""
    found: dict[str, Tensor] = {}
    for group in groups:
        goes = torch.ones(group.width, dtype=torch.bool)
        goes[kept[group.name]] = False
        for member in group.of("consumer"):
            found[member.module] = _missing(net, member, goes, means[member.module])
    return found


def _missing(net: nn.Module, member: Member, goes: Tensor, means: Tensor) -> Tensor:
    units = by_unit(positions_first(weight_of(net, member.module), member), member)[goes].double()  # (r, k, out, ...)
    sums = units.flatten(3).sum(dim=3) if units.ndim > 3 else units
    return torch.einsum("rko,rk->o", sums, means[member.index[goes]])


def smaller(net: nn.Module, groups: list[Group], kept: Kept, back: Mapping[str, Tensor]) -> nn.Module:
    """``net`` without the units that are not ``kept``, and ``back`` added to the biases."""
    made = copy.deepcopy(net)
    for name, values in back.items():
        module = layer(made, name)
        assert isinstance(module, nn.Module)
        before = module.bias.detach().double() if isinstance(module.bias, Tensor) else 0.0
        module.bias = nn.Parameter((before + values).float())
    remove(made, groups, kept)
    return made


@click.command()
@click.option("--net", "nets", multiple=True, default=("resnet50_half", "efficientnet_lite0", "squeezenet1_1"),
              show_default=True, help="Backbone; may be repeated.")  # fmt: skip
@click.option("--stream", "streams", multiple=True, default=[EMULATED], help="Development tasks; may be repeated.")
@click.option("--images", default=300, show_default=True, help="Training images a task, and test images.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the tables there.")
def main(nets: tuple[str, ...], streams: tuple[str, ...], images: int, out: Path | None) -> None:
    """Print tables of errors, and differences to plain removal with their intervals over tasks."""
    torch.set_num_threads(1)
    tasks = [few(task, images) for stream in streams for task in opened(stream)]
    lines = []
    for line in _lines(nets, tasks, images):
        print(line, flush=True)
        lines.append(line)
    if out is not None:
        out.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _lines(nets: tuple[str, ...], tasks: list[Task], images: int) -> Iterator[str]:
    yield "# What removed units used to add, given back\n"
    version = environment()["packages"]["torch"]
    yield f"Measured with `python -m bench.means`, torch {version}, bf16, {SIZE} px, layout filter, score l1."
    yield f"Error in % of a ridge head (penalty 0.1) on at most {images} training images, no training, and the"
    yield "difference to plain removal: mean ± half the 95 % interval over tasks (Student's t). *Off*: the squared"
    yield "error of what is given back, over all layers, as a share of the square of what the task's images say.\n"
    yield from listed({"development": tasks})
    for net in nets:
        yield f"## {short(net)}\n"
        yield from tables(make("backbones", net), tasks)


def tables(backbone: Backbone, tasks: list[Task]) -> Iterator[str]:
    """Markdown, a table for ``backbone``."""
    net = backbone.build().eval()
    yield "| FLOPs | means from | error | minus plain removal | off |"
    yield "| --- | --- | --- | --- | --- |"
    with torch.no_grad():
        pictures = probes(PICTURES, SIZE)
        pictures = brightness(net, pictures.float()) * pictures.float()
    for flops in FLOPS:
        groups = prunable(net, SIZE, "filter")
        kept = kept_units(net, SIZE, groups, Pruning(flops=flops))
        by_norm, by_pictures = gaussian(net, groups), seen(net, groups, pictures)
        guesses = {"plain removal": None, "the norm in front": by_norm, "random pictures": by_pictures}
        own = {task.name: seen(net, groups, _images(task, backbone)) for task in tasks}
        true = {name: given_back(net, groups, kept, means) for name, means in own.items()}
        plain: list[float] = []
        for name, means in {**guesses, "the task's images": {}}.items():
            if name == "the norm in front" and means is None:
                yield f"| {flops:g} | {name} | there is none | | |"
                continue
            back = given_back(net, groups, kept, means) if means else {}
            by_task = {task.name: true[task.name] if means == {} else back for task in tasks}
            found = [_error(smaller(net, groups, kept, by_task[task.name]), backbone, task) for task in tasks]
            plain = plain or found
            gains = [a - b for a, b in zip(found, plain, strict=True)]
            gain = "" if found is plain else mean_and_half(gains, sign=True)
            off = f"{mean(_off(back, one) for one in true.values()):.2f}" if back else ""
            yield f"| {flops:g} | {name} | {mean(found):.1f} | {gain} | {off} |"
    yield ""


def _off(guess: Mapping[str, Tensor], true: Mapping[str, Tensor]) -> float:
    missed = sum(float((guess[name] - values).square().sum()) for name, values in true.items())
    return missed / sum(float(values.square().sum()) for values in true.values())


def _context(backbone: Backbone) -> Context:
    return Context(backbone, Setting(backbone=backbone.name, size=SIZE, precision="bf16"), 0, ComputeMeter())


def _images(task: Task, backbone: Backbone) -> Tensor:
    ctx, data = _context(backbone), task.load(Split.TRAIN)
    return ctx.inputs(data, slice(0, PICTURES)).float()


def _error(net: nn.Module, backbone: Backbone, task: Task) -> float:
    return error(net.to(memory_format=torch.channels_last), task, _context(backbone))


if __name__ == "__main__":
    main()
