"""What does fusing cost? Our exact plans on the reduced problem against full ones with the published L1 ground cost."""

from collections.abc import Iterator

import numpy as np
import torch

from bench.pairs import Line, in_turn
from bench.work import HALF, RESNET18, chosen, context, short
from harness.config.registry import make

RESNET50 = "torchvision:resnet50(weights=none)"


AIMS = {HALF: "< 1 s", RESNET18: "< 0.4 s", RESNET50: "< 5 s"}


def rows(pairs: int, net: str | None = None) -> Iterator[Line]:
    fused = make("strategies", "ot_fused(keep=0.5, layout=channel)")
    for backbone in chosen(tuple(AIMS), net):
        body, size = context(backbone, 64).body(pretrained=False), 64
        wide = [module.weight.detach() for module in body.modules() if isinstance(module, torch.nn.Conv2d)]

        def ours(body: torch.nn.Module = body, size: int = size) -> None:
            fused.adapted(body, size)

        def plain(wide: list[torch.Tensor] = wide) -> None:
            for weight in wide:
                _plain(weight)

        ratio = in_turn(ours, plain, pairs=pairs)
        name = short(backbone)
        what = f"plain transport of each convolution / our whole fusion, {name}, half of every width"
        aim = f"ours {AIMS[backbone]}" if backbone in AIMS else ""
        yield Line("transport", what, ratio, aim, "plain: L1 ground cost, full exact plan, weights of one layer")


def _plain(weight: torch.Tensor) -> None:
    """One layer as a reference would do it: unit vectors, L1 distances, the full exact plan."""
    import ot

    vectors = torch.nn.functional.normalize(weight.flatten(1).double(), dim=1)
    kept = torch.argsort(weight.abs().flatten(1).sum(1), descending=True)[: max(1, len(weight) // 2)]
    cost = torch.cdist(vectors, vectors[kept], p=1).numpy()
    ot.emd(np.full(len(vectors), 1 / len(vectors)), np.full(len(kept), 1 / len(kept)), cost)
