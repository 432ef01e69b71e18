"""Which nets are counted rightly, and which can be pruned? ``python -m bench.zoo [NET...] [--write]``.

All classification nets of torchvision and one net of each family of timm, the smallest there, with random weights, each
in a process of its own with bounds on time and memory. What was executed on the CPU, in eval and in train mode, is set
against what is charged (``meta``) and against a count of Python's calls from their shapes alone, which shares nothing
with either. ``--write`` puts the table into ``docs/nets.md``.
"""

import argparse
import json
import math
import resource
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import timm  # noqa: F401  (imported before processes are forked)
import torch
import torch_pruning  # noqa: F401
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torchvision import models

from harness.compute.backbone import Backbone
from harness.compute.flops import Counter, flops_forward, flops_train
from harness.compute.sizes import shape_only, takes
from harness.config.registry import make
from harness.core.errors import UserError
from strategies.bodies.structure.attention import with_prunable_attention
from strategies.bodies.structure.groups import Widths, widths
from strategies.bodies.structure.pruning import Layout, prunable_of
from strategies.bodies.structure.trial import unread

DOCS = Path(__file__).resolve().parent.parent / "docs" / "nets.md"
SIZES = (64, 96, 128, 160, 192, 224, 240, 256, 299, 384, 448, 512, 768, 896)
"""The smallest that a net takes is used."""

GIGABYTES = 12
LAYOUTS: tuple[Layout, ...] = ("filter", "channel")
WEIGHTS = 150e6
"""Nets with more parameters are neither trained nor pruned here: they would take most of the time."""

DEAREST = [
    "torchvision:vit_h_14", "torchvision:efficientnet_v2_l", "timm:sequencer2d_s", "timm:twins_svt_small",
    "torchvision:maxvit_t", "timm:cait_xxs24_224", "timm:nasnetalarge", "timm:coat_tiny", "timm:mvitv2_tiny",
]  # fmt: skip
"""They take longest and come first, so that no process works alone at the end."""

WARM = "timm:test_vit"
"""A small net that is looked at before processes are forked: what libraries look up once is then known to all."""

TIMM = {
    "beit": "beit_base_patch16_224", "byoanet": "halonet_h1", "byobnet": "mobileone_s1", "cait": "cait_xxs24_224",
    "coat": "coat_tiny", "convit": "convit_tiny", "convmixer": "convmixer_768_32", "convnext": "test_convnext",
    "cpubone": "cpubone_nano", "crossvit": "crossvit_tiny_240", "csatv2": "csatv2", "cspnet": "cs3darknet_focus_s",
    "cspnext": "cspnext_tiny", "davit": "davit_tiny", "deepseek_vit": "deepseek_vit_412m",
    "deit": "deit_tiny_patch16_224", "densenet": "densenet121", "dla": "dla46x_c", "dpn": "dpn48b",
    "edgenext": "edgenext_xx_small", "efficientformer": "efficientformer_l1",
    "efficientformer_v2": "efficientformerv2_s0", "efficientnet": "efficientnet_lite0",
    "efficientvim": "efficientvim_m1", "efficientvit_mit": "efficientvit_b0", "efficientvit_msra": "efficientvit_m0",
    "eva": "eva02_tiny_patch14_224", "fasternet": "fasternet_t0", "fastvit": "fastvit_t8",
    "focalnet": "focalnet_tiny_srf", "gcvit": "gcvit_xxtiny", "gemma4_vit": "gemma4_vit_167m",
    "ghostnet": "ghostnet_050", "hardcorenas": "hardcorenas_b", "hgnet": "hgnetv2_b0", "hiera": "hiera_tiny_224",
    "hieradet_sam2": "sam2_hiera_tiny", "hrnet": "hrnet_w18_small", "iformer": "iformer_t",
    "inception_next": "inception_next_atto", "inception_resnet_v2": "inception_resnet_v2",
    "inception_v3": "inception_v3", "inception_v4": "inception_v4", "lcnetv2": "lcnetv2_small",
    "levit": "levit_128s", "lowformer": "lowformer_b0", "mambaout": "test_mambaout", "maxxvit": "maxvit_pico_rw_256",
    "metaformer": "poolformerv2_s12", "mlp_mixer": "gmlp_ti16_224", "mobilenetv3": "lcnet_035",
    "mobilenetv5": "mobilenetv5_base", "mobilevit": "mobilevit_xxs", "mvitv2": "mvitv2_tiny",
    "naflexvit": "naflexvit_base_patch16_gap", "nasnet": "nasnetalarge", "nest": "nest_tiny",
    "nextvit": "nextvit_small", "nfnet": "test_nfnet", "pit": "pit_ti_224", "pnasnet": "pnasnet5large",
    "pvt_v2": "pvt_v2_b0", "qwen3_vit": "qwen3_vit_88m", "rdnet": "rdnet_tiny", "regnet": "regnetx_002",
    "repghost": "repghostnet_050", "repvit": "repvit_m1", "res2net": "res2next50", "resnest": "resnest14d",
    "resnet": "resnet10t", "resnetv2": "resnetv2_18", "rexnet": "rexnet_100", "selecsls": "selecsls42",
    "senet": "legacy_seresnet18", "sequencer": "sequencer2d_s", "shvit": "shvit_s1", "sknet": "skresnet18",
    "starnet": "starnet_s050", "swiftformer": "swiftformer_xs", "swin_transformer": "swin_tiny_patch4_window7_224",
    "swin_transformer_v2": "swinv2_tiny_window8_256", "swin_transformer_v2_cr": "swinv2_cr_tiny_224",
    "tiny_vit": "tiny_vit_5m_224", "tnt": "tnt_s_legacy_patch16_224", "tresnet": "tresnet_m",
    "twins": "twins_svt_small", "vgg": "vgg11", "visformer": "visformer_tiny", "vision_transformer": "test_vit",
    "vision_transformer_hybrid": "vit_tiny_r_s16_p8_224", "vision_transformer_relpos": "test_vit_relpos",
    "vision_transformer_sam": "samvit_base_patch16_224", "vitamin": "vitamin_small_224", "volo": "volo_d1_224",
    "vovnet": "ese_vovnet19b_slim_dw", "xception": "legacy_xception", "xception_aligned": "xception41p",
    "xcit": "xcit_nano_12_p8_224",
}  # fmt: skip
"""The smallest net of each family."""


def nets() -> list[str]:
    return [f"torchvision:{name}" for name in models.list_models(module=models)] + [
        f"timm:{name}" for name in TIMM.values()
    ]


class Calls(TorchFunctionMode):
    """Counts products by the Python functions that are called and the shapes that they get, forward and backward."""

    def __init__(self) -> None:
        self.forward, self.training = 0, 0

    def add(self, flops: int, *factors: Tensor) -> None:
        self.forward += flops
        self.training += flops * (1 + sum(factor.requires_grad for factor in factors))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "multi_head_attention_forward":
            return self._multi_head(func, args, kwargs)
        out = func(*args, **kwargs)
        match name:
            case "conv1d" | "conv2d" | "conv3d":
                x, weight = args[0], kwargs.get("weight", args[1] if len(args) > 1 else None)
                self.add(2 * out.numel() * math.prod(weight.shape[1:]), x, weight)
            case "conv_transpose2d":
                self.add(2 * args[0].numel() * math.prod(args[1].shape[1:]), args[0], args[1])
            case "linear":
                x, weight = args[0], kwargs.get("weight", args[1] if len(args) > 1 else None)
                self.add(2 * out.numel() * weight.shape[1], x, weight)
            case "matmul" | "bmm" | "__matmul__" | "__rmatmul__" | "mm":
                a, b = args[:2] if name != "__rmatmul__" else args[1::-1]
                self.add(2 * out.numel() * a.shape[-1], a, b)
            case "baddbmm" | "addmm":
                self.add(2 * out.numel() * args[1].shape[-1], args[1], args[2])
            case "scaled_dot_product_attention":
                query, key, value = [*args, *(kwargs[k] for k in ("query", "key", "value") if k in kwargs)][:3]
                rows = query.shape[:-1].numel() * key.shape[-2]
                self.add(2 * rows * query.shape[-1], query, key)
                self.add(2 * rows * value.shape[-1], query, value)
            case "einsum":
                self._einsum(out, args)
            case "lstm":
                x, weights = args[0], args[2]
                for weight in (w for w in weights if w.ndim > 1):
                    self.add(2 * x.shape[:-1].numel() * weight.numel(), weight, weight)
        return out

    def _einsum(self, out: Tensor, args: Any) -> None:
        equation, *factors = args
        factors = list(factors[0]) if isinstance(factors[0], (list, tuple)) else factors
        sizes: dict[str, int] = {}
        for letters, factor in zip(equation.replace(" ", "").split("->")[0].split(","), factors, strict=True):
            sizes |= dict(zip(letters, factor.shape, strict=True)) if "." not in letters else {}
        if len(factors) == 2 and sizes:
            self.add(2 * math.prod(sizes.values()), *factors)

    def _multi_head(self, func: Any, args: Any, kwargs: Any) -> Any:
        query, key, value, width = args[:4]
        in_weight, out_weight = args[5], args[11] if len(args) > 11 else kwargs["out_proj_weight"]
        tokens, batch = query.shape[0], query.shape[1]
        for x in (query, key, value):
            self.add(2 * x.shape[:-1].numel() * width * width, x, in_weight)
        for _ in range(2):
            self.add(2 * batch * tokens * key.shape[0] * width, in_weight, in_weight)
        self.add(2 * query.shape[:-1].numel() * width * width, in_weight, out_weight)
        return func(*args, **kwargs)


def expected(net: nn.Module, size: int) -> tuple[int, int]:
    """FLOPs of one image of ``size`` px, forward and of a training step, by Python's calls on ``meta``."""
    with Calls() as calls:
        net.train()(torch.zeros(2, 3, size, size, device="meta"))
    return calls.forward // 2, calls.training // 2


def executed(net: nn.Module, size: int, *, train: bool) -> float:
    """FLOPs an image that the CPU is seen to do: with a backward pass, or in inference mode."""
    images = torch.rand(2, 3, size, size)
    if train:
        with Counter() as count:
            net.train()(images).sum().backward()
        net.zero_grad()
    else:
        with torch.inference_mode(), Counter() as count:
            net.eval()(images)
    return float(count.flops) / 2


def looked_at(name: str) -> dict[str, Any]:
    """All that is known of one net; what is refused is a line of text."""
    torch.set_num_threads(1)
    try:
        backbone: Backbone = make("backbones", f"{name}(weights=none)")
        net = shape_only(lambda: backbone.build(pretrained=False)).requires_grad_(True)
    except UserError as error:
        return {"refused": str(error)}
    size = next((size for size in SIZES if not takes(net, size)), None)
    if size is None:
        return {"refused": takes(net, 224)}
    forward, training = expected(net, size)
    counted = flops_forward(net, 2, 3, size, size) / 2, flops_train(net.train(), 2, 3, size, size) / 2
    facts: dict[str, Any] = {"size": size, "parameters": sum(p.numel() for p in net.parameters())}
    facts["counted"] = [counted[0] / forward, counted[1] / training]
    small = facts["parameters"] < WEIGHTS
    torch.manual_seed(0)
    real = backbone.build(pretrained=False)
    facts["executed"] = [executed(real, size, train=False) / counted[0]]
    if small:
        facts["executed"].append(executed(real, size, train=True) / counted[1])
        facts |= pruned(real, size)
    return facts


def pruned(net: nn.Module, size: int) -> dict[str, str]:
    """By layout, how many widths it takes from, or the line that refuses it."""
    net = with_prunable_attention(net.eval())
    try:
        found = widths(net, size)
    except UserError as error:
        return dict.fromkeys(LAYOUTS, str(error))
    return {layout: pruned_by(layout, net, size, found) for layout in LAYOUTS}


def pruned_by(layout: Layout, net: nn.Module, size: int, found: Widths) -> str:
    """How many of the widths ``found`` a layout takes from, or the line that refuses it."""
    try:
        groups = prunable_of(net, size, layout, found)
    except UserError as error:
        return str(error)
    wrong = unread(net, size, groups)
    return f"refused: {wrong}" if wrong else str(len(groups))


def _answer(name: str, pipe: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES << 30, GIGABYTES << 30))
    try:
        facts = looked_at(name)
    except Exception as error:
        facts = {"refused": " ".join(f"{type(error).__name__}: {error}".split())[:200]}
    pipe.send(facts | {"cpu_seconds": round(time.process_time())})


def in_process(name: str, seconds: float) -> dict[str, Any]:
    """What a child process says of a net within ``seconds``: libraries are imported once, here."""
    context = get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(name, there))
    child.start()
    there.close()
    try:
        if not here.poll(seconds):
            return {"refused": f"took more than {seconds:.0f} s"}
        return dict(here.recv())
    except EOFError:
        return {"refused": f"its process ended (more than {GIGABYTES} GB?)"}
    finally:
        child.kill()
        child.join()


def _turn(name: str) -> int:
    return DEAREST.index(name) if name in DEAREST else len(DEAREST)


def table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown: one row a net."""
    rows = ["| net | px | charged / by calls | executed / charged | filter | channel |", "|---|---|---|---|---|---|"]
    for name, facts in found.items():
        if "refused" in facts:
            rows.append(f"| `{name}` | | | | {facts['refused'].replace('|', '/')} | |")
            continue
        ratios = [", ".join(f"{value:.3f}" for value in facts[key]) for key in ("counted", "executed")]
        layouts = [facts.get(layout, "not tried here").replace("|", "/") for layout in ("filter", "channel")]
        rows.append(f"| `{name}` | {facts['size']} | {' | '.join(ratios)} | {' | '.join(layouts)} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nets", nargs="*")
    parser.add_argument("--write", action="store_true", help="Put the table into docs/nets.md.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=100, help="For each net.")
    options = parser.parse_args()
    names = options.nets or nets()
    warnings.simplefilter("ignore")
    looked_at(WARM)
    with ThreadPoolExecutor(options.jobs) as pool:
        work = {name: pool.submit(in_process, name, options.seconds) for name in sorted(names, key=_turn)}
        for name in work:
            print(name, json.dumps(work[name].result()), flush=True)
    text = table({name: work[name].result() for name in names})
    if options.write:
        before = DOCS.read_text().partition("<!-- table -->")[0]
        DOCS.write_text(f"{before}<!-- table -->\n\n{text}\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
