"""What does a person read of the search? What was chosen, how sure that is, and what it has cost."""

from collections.abc import Iterator

from bench.recipes import choice
from bench.recipes.choice import COMPETENT, Chosen
from bench.recipes.file import Row
from bench.recipes.rungs import BODIES, NETS
from bench.recipes.space import trials


def lines(rows: list[Row]) -> Iterator[str]:
    """The results, by net and band."""
    for net in NETS:
        mine = [row for row in rows if row.net == net]
        for one in choice.chosen(mine, net):
            yield from _band(mine, one)
    flops = sum(row.flops for row in rows)
    diverged, tasks = sum(row.diverged for row in rows), sum(len(row.tasks) for row in rows)
    yield f"the search so far: {len(rows)} runs, {tasks} trainings, {diverged} diverged, {flops:.3g} FLOPs of learning"


def _band(rows: list[Row], one: Chosen) -> Iterator[str]:
    basis, checked = choice.selection(rows, one.band, None), choice.checks(rows, one.band)
    options, count = trials(), len({row.trial for row in basis})
    yield f"{one.net}, {one.band}: trial {one.trial} of {count}: {options[one.trial]}"
    errors = choice.errors_of(basis)
    best = "  ".join(f"{t}: {choice.Mean.of(list(errors[t].values())).mean:.3f}" for t in choice.ranked(basis)[:5])
    yield f"  mean error of the best trials on what they were chosen on: {best}"
    if checked:
        yield "  on seeds that nothing was chosen on, in points of error (interval over tasks):"
        yield f"    less the competent recipe     {choice.difference(checked, one.trial, COMPETENT).points()}"
        yield f"    less the best of each body    {choice.regret(rows, one.band, one.trial).points()}"
        for body in BODIES:
            of_body = [row for row in checked if row.body == body]
            cost = choice.difference(of_body, one.trial, one.own[body]).points()
            rival = choice.difference(of_body, one.trial, COMPETENT).points()
            yield f"    {body:27s} less its own best (trial {one.own[body]}): {cost}; less the competent: {rival}"
    weights = "".join(row.weights for row in (checked or basis) if row.trial == one.trial)
    yield f"  kept the start on {weights.count('s')}, the average on {weights.count('a')} of {len(weights)} tasks"
    yield "  an option's value against its others, first rung, in points (interval and n over trials):"
    for name, value, effect in choice.sensitivity(rows, one.band):
        yield f"    {name + ' = ' + str(value):24s} {effect.points()}"
    if one.apart:
        yield f"  bodies with a recipe of their own: {one.apart}"
