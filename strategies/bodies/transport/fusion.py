"""How are removed units merged into kept ones? A transport plan says which unit goes where; all layers follow it.

After Intra-Fusion (Theus et al., "Towards Meta-Pruning via Optimal Transport", arXiv 2402.07839), with another scale.
The published one sums the incoming and the outgoing weights of the units that meet in a slot; that changes what a net
computes even if the units are copies of each other. Here incoming weights are averaged and their batch norm is
restored; outgoing weights are summed.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from strategies.bodies.structure.attention import is_attention
from strategies.bodies.structure.groups import Group, Member
from strategies.bodies.structure.removal import Kept, remove
from strategies.bodies.structure.scores import unit_scores
from strategies.bodies.structure.units import by_unit, layer, positions_first, rows, weight_of, write
from strategies.bodies.transport.costs import Metric, Weights, centers, distances, normalised, unit_vectors
from strategies.bodies.transport.folding import NORMS, Folded, folded, folded_weight, norms_behind, restore_norm
from strategies.bodies.transport.function import carry_on
from strategies.bodies.transport.plans import Plan, entropic, joined, nearest, stay, transported, unrestricted
from strategies.bodies.transport.probes import drawing_flops

Scale = Literal["variance", "preserve", "published"]


@dataclass(frozen=True)
class Transport:
    """How removed units are moved.

    Attributes:
        scale: how the weights of units in one slot are joined, incoming and outgoing. ``variance``: mean and sum, and
            the batch norm behind the mean is restored; ``preserve``: mean and sum; ``published``: sum and sum, as in
            arXiv 2402.07839.
        target_mass: how much a slot may receive. ``uniform``: all the same; ``importance``: in proportion to the L1
            score of the kept unit; ``free``: any amount, so that each removed unit goes whole to its nearest slot.
        targets: slots are the kept units, or the centres of clusters of all units.
        ground_cost: units are compared by their ``weights``, or by their responses to images (``activation``).
        metric: distance between unit vectors.
        weights: which weights make up a unit's vector, if weights are compared.
        unit_length: scale the vectors to length 1 first.
        discount: multiply a unit's share by the cosine of its filters and the kept unit's, 0 where it is negative: in
            no width, in ``all`` of them, or only for ``depthwise`` filters and heads of attention. Without a discount
            a removed unit is carried on whole by one that may be unlike it. Its mean then stays, and plain
            convolutions tolerate the rest; the mean of two unlike depthwise filters is like neither. On new tasks
            ``all`` is better (bench/TRANSFER.md); on the task that the net was trained on, ``depthwise`` is far
            better (bench/FUSION.md).
        solver: ``exact``; or ``entropic``, for an ablation.
        plan: ``transport``; or ``function``: the layers that read a width make up for removed units by least squares
            (:mod:`strategies.bodies.transport.function`), and of the options only the two below apply.
        probes: for plans by function, the number of random pictures.
        shrinkage: for plans by function, the penalty of the regression, relative to the mean square of its inputs.
    """

    scale: Scale = "variance"
    target_mass: Literal["uniform", "importance", "free"] = "uniform"
    targets: Literal["kept", "clusters"] = "kept"
    ground_cost: Literal["weights", "activation"] = "weights"
    metric: Metric = "l2"
    weights: Weights = "all"
    unit_length: bool = True
    discount: Literal["none", "depthwise", "all"] = "all"
    solver: Literal["exact", "entropic"] = "exact"
    plan: Literal["transport", "function"] = "transport"
    probes: int = 128
    shrinkage: float = 0.02


@dataclass(frozen=True)
class FusedWidth:
    """The outcome for one width: units before and after, transport cost, and the mean factor that restored norms.

    For a plan by function, ``cost`` is the lost share of the removed units' output, in mean square on its pictures.
    """

    name: str
    before: int
    after: int
    cost: float
    factor: float


@dataclass(frozen=True)
class Fusion:
    """The outcome of a fusion. ``flops``: of solving and moving, by formula, without the products for distances."""

    widths: tuple[FusedWidth, ...]
    flops: float
    seconds: float


@torch.no_grad()
def fuse(
    net: nn.Module,
    groups: list[Group],
    kept: Kept,
    size: int,
    transport: Transport = Transport(),
    *,
    vectors: Mapping[str, Tensor] | None = None,
) -> Fusion:
    """Move the units of ``groups`` that are not ``kept`` into kept ones, then remove them; in place.

    All plans are computed before any weight changes, so the order of groups makes no difference. Widths under a layer
    norm or group norm are only pruned: after a transport these norms would see other statistics.

    Args:
        vectors: (width, d) by group name, to compare units by something else than their weights.
    """
    begun = time.perf_counter()
    turned = _filters_first(net)
    moved = [group for group in groups if group.name in kept and not _normalised_across(net, group)]
    if transport.plan == "function":
        lost = carry_on(net, moved, kept, size, count=transport.probes, shrinkage=transport.shrinkage)
        table = [FusedWidth(g.name, g.width, len(kept[g.name]), lost[g.name], 1.0) for g in moved]
        flops = drawing_flops(transport.probes, size)
    else:
        table, flops = _transport(net, moved, kept, size, transport, vectors)
    remove(net, groups, kept)
    for module in turned:
        module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    return Fusion(tuple(table), flops, time.perf_counter() - begun)


def _transport(
    net: nn.Module,
    moved: list[Group],
    kept: Kept,
    size: int,
    transport: Transport,
    vectors: Mapping[str, Tensor] | None,
) -> tuple[list[FusedWidth], float]:
    """Move units by transport plans; returns the outcome of each width and the FLOPs outside of tensor operations."""
    norms = norms_behind(net, size)
    names = {m.module for g in moved for m in g.members if isinstance(layer(net, m.module), _WEIGHTED)}
    folds = {name: folded(net, name, norms) for name in names}
    weights = {name: folded_weight(net, name, fold) for name, fold in folds.items()}
    plans = {}
    for group in moved:
        units = vectors[group.name] if vectors else unit_vectors(group, weights, weights=transport.weights)
        plan = plan_for(net, group, kept[group.name], units, transport)
        plans[group.name] = _discounted(plan, net, group, kept[group.name], weights, transport)
    table, flops = [], 0.0
    for group in moved:
        plan = plans[group.name]
        factor = _fuse_incoming(net, group, kept[group.name], plan, folds, weights, transport.scale)
        table.append(FusedWidth(group.name, group.width, plan.slots, plan.cost, factor))
        flops += plan.flops
    for group in moved:
        plan = plans[group.name]
        for member in group.of("consumer"):
            new = plan.total(by_unit(positions_first(weight_of(net, member.module), member), member))
            write(net, member, kept[group.name], new)
            flops += 2.0 * len(plan.source) * new[0].numel()
    return table, flops


def _filters_first(net: nn.Module) -> list[nn.Conv2d]:
    """Store channels-last weights contiguously, which is six times as fast to read by inputs; returns their layers."""
    turned = [m for m in net.modules() if isinstance(m, nn.Conv2d) and not m.weight.is_contiguous()]
    for module in turned:
        module.weight.data = module.weight.data.contiguous()
    return turned


def plan_for(net: nn.Module, group: Group, kept: Tensor, units: Tensor, transport: Transport) -> Plan:
    """The plan from all units of ``group`` to the slots of the ``kept`` ones; blocks of units do not mix."""
    if transport.unit_length:
        units = normalised(units)
    mass = torch.ones(len(kept), dtype=torch.float64)
    if transport.target_mass == "importance":
        mass = unit_scores(net, group, "l1")[kept]
    width, slots = group.width // group.blocks, len(kept) // group.blocks
    plans = []
    for block in range(group.blocks):
        own = units[block * width : (block + 1) * width]
        stays = kept[block * slots : (block + 1) * slots] - block * width
        given = mass[block * slots : (block + 1) * slots]
        plans.append(_plan(own, stays, given / given.sum(), transport))
    return joined(plans)


def _plan(units: Tensor, kept: Tensor, slot_mass: Tensor, transport: Transport) -> Plan:
    if transport.targets == "clusters":
        slots = centers(units, units[kept])
        cost = distances(units, slots, metric=transport.metric)
        return entropic(cost, slot_mass) if transport.solver == "entropic" else unrestricted(cost, slot_mass)
    gone = torch.ones(len(units), dtype=torch.bool)
    gone[kept] = False
    rest = gone.nonzero().flatten()
    if not len(rest):
        return stay(len(units), kept)
    if transport.target_mass == "free":
        return nearest(distances(units[rest], units[kept], metric=transport.metric), kept, rest)
    if transport.target_mass == "uniform" and transport.solver == "exact":
        # A kept unit fits into its own slot and sends nothing, so that its distances to other slots are not needed.
        cost = torch.full((len(units), len(kept)), torch.inf, dtype=units.dtype)
        cost[rest] = distances(units[rest], units[kept], metric=transport.metric)
        cost[kept, torch.arange(len(kept))] = 0
    else:
        cost = distances(units, units[kept], metric=transport.metric)
    return entropic(cost, slot_mass) if transport.solver == "entropic" else transported(cost, kept, slot_mass)


def _discounted(
    plan: Plan, net: nn.Module, group: Group, kept: Tensor, weights: Mapping[str, Tensor], transport: Transport
) -> Plan:
    depthwise = [member for member in group.of("unitwise") if member.module in weights]
    if transport.targets == "clusters" or transport.discount == "none":
        return plan
    if transport.discount == "depthwise" and not depthwise and not is_attention(layer(net, group.name)):
        return plan
    # What several producers make is added, so their filters count as one; depthwise filters come after them.
    made = [rows(weights[m.module], m) for m in group.of("producer") if not m.gate and m.module in weights]
    alike = torch.ones(len(plan.source), dtype=torch.float64)
    for filters in (torch.cat(made, dim=1), *[rows(weights[m.module], m) for m in depthwise]):
        unit = normalised(filters)
        alike *= (unit[plan.source] * unit[kept[plan.slot]]).sum(dim=1).clamp(min=0).double()
    # A dead unit is like nothing, not even itself.
    alike[plan.source == kept[plan.slot]] = 1
    return replace(plan, share=plan.share * alike)


def _fuse_incoming(
    net: nn.Module,
    group: Group,
    kept: Tensor,
    plan: Plan,
    folds: Mapping[str, Folded],
    weights: Mapping[str, Tensor],
    scale: Scale,
) -> float:
    """Fuse what makes the units and what treats each by itself; gives the mean factor over producers."""
    factors = []
    refolded = {folds[m.module].norm for m in group.members if m.role != "consumer" and m.module in folds}
    for member in group.members:
        if member.role == "consumer":
            continue
        if member.module in folds:
            factors.append(_fuse_filters(net, member, kept, plan, folds[member.module], weights[member.module], scale))
        elif member.module not in refolded:
            _average_entries(net, member, kept, plan)
    return float(torch.stack(factors).mean()) if factors else 1.0


def _fuse_filters(
    net: nn.Module, member: Member, kept: Tensor, plan: Plan, fold: Folded, weight: Tensor, scale: Scale
) -> Tensor:
    old = rows(weight, member)
    mean = plan.mean(old)
    summed = scale == "published" and member.role == "producer" and not member.gate
    if summed:
        factor = plan.received
    elif scale == "variance" and not member.gate:
        factor = norm_factor(old, mean, plan)
    else:
        factor = torch.ones(plan.slots, dtype=torch.float64)
    index = member.index
    # The scale of the old norms stays in the new one. Weights with the scale multiplied in would compute the same, but
    # learn at another rate: behind a batch norm, the step relative to the weight goes with 1 / its squared length.
    apart = plan.mean(fold.scale.abs()[index])
    apart = torch.where(apart > 0, apart, torch.ones_like(apart))
    shape = positions_first(weight, member)[0].shape
    fused = (mean * factor.to(mean.dtype)[:, None]).reshape(plan.slots, index.shape[1], *shape)
    write(net, member, kept, fused / apart.to(mean.dtype).view(*apart.shape, *[1] * len(shape)), base=weight)
    center = plan.mean(fold.mean[index])
    average = plan.mean(fold.shift[index])
    shift = plan.received[:, None] * average if summed else center + factor[:, None] * (average - center)
    where = index[kept]
    new = Folded(torch.ones_like(fold.scale), fold.shift.clone(), fold.mean.clone(), fold.deviation.clone(), fold.norm)
    new.scale[where], new.shift[where], new.mean[where] = apart, shift, center
    new.deviation[where] = plan.mean(fold.deviation[index])
    restore_norm(net, member.module, new)
    return factor.mean()


def norm_factor(old: Tensor, mean: Tensor, plan: Plan) -> Tensor:
    """float64 (slots,): what the mean of unlike filters is multiplied by to be as long as they are on average.

    At most 1 / sqrt(sum of squared weights): what independent filters would need; noise is not blown up further.
    """
    lengths = plan.mean(old.double().norm(dim=1)[:, None])[:, 0]
    own = mean.double().norm(dim=1)
    cap = torch.zeros(plan.slots, dtype=torch.float64).index_add_(0, plan.slot, plan.weight.square()).rsqrt()
    return torch.where(own > 0, torch.minimum(lengths / own.clamp(min=1e-300), cap), torch.ones_like(own))


def _average_entries(net: nn.Module, member: Member, kept: Tensor, plan: Plan) -> None:
    """A norm that stands alone, a PReLU, a layer scale: the mean of its entries for the members of each slot."""
    module = layer(net, member.module)
    if isinstance(module, nn.Parameter):
        positions = module.detach().movedim(member.dim, 0)
        write(net, member, kept, plan.mean(positions[member.index.to(positions.device)]))
        return
    if isinstance(module, nn.PReLU) and module.num_parameters == 1:
        return
    for entry in ("weight", "bias", "running_mean", "running_var"):
        value = getattr(module, entry, None)
        if isinstance(value, Tensor):
            value[member.index[kept].to(value.device)] = plan.mean(value.detach()[member.index.to(value.device)])


_WEIGHTED = (nn.modules.conv._ConvNd, nn.Linear)
_ACROSS = (nn.LayerNorm, nn.GroupNorm)


def _normalised_across(net: nn.Module, group: Group) -> bool:
    modules = [layer(net, member.module) for member in group.members]
    return any(isinstance(module, _ACROSS) and not isinstance(module, NORMS) for module in modules)
