"""A linear probe on features extracted once, against a frozen backbone that is run again in every epoch."""

from collections.abc import Iterator

from bench.pairs import Line, in_turn
from bench.work import LITE0, classifier, context, images, thawed
from harness.learning.recipe import Recipe
from harness.learning.training import fit

EPOCHS = 50
BATCH = 32


def rows(pairs: int) -> Iterator[Line]:
    data, ctx = images(512, 64), context(LITE0, 64)
    recipe = Recipe(batch_size=BATCH, augment=False)

    def cached() -> None:
        net = classifier(ctx, data)
        with ctx.meter:
            features = ctx.features(net.body, data, name="bench")
            fit(net.head, features, ctx, name="bench", recipe=recipe, epochs=EPOCHS)

    def every_epoch() -> None:
        # One fiftieth of the work is done, and its time taken fifty times: epochs cost the same.
        net = classifier(ctx, data)
        thawed(net.body, trainable=False)
        with ctx.meter:
            fit(net, data, ctx, name="bench", recipe=recipe, epochs=1)

    one = in_turn(cached, every_epoch, pairs=pairs)
    ratio = type(one)(one.median * EPOCHS, one.low * EPOCHS, one.high * EPOCHS, one.n, one.ours, one.theirs * EPOCHS)
    note = f"one epoch of the frozen net measured, times {EPOCHS}"
    yield Line("probe", f"frozen Lite0 in each of {EPOCHS} epochs / features once, 512 images", ratio, ">= 30", note)
