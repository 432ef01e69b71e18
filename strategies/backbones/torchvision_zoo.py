"""How is a classification net of torchvision used as a backbone? The layer that makes the 1000 logits is taken away."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models

from harness.compute.backbone import Backbone, Origin
from harness.compute.sizes import without_weights
from harness.core.errors import UserError, unknown
from strategies.backbones.weights import existing, load_body, own_file, pretraining_facts, read_tensors, sha256_of

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def torchvision_backbone(name: str, *, weights: str = "DEFAULT") -> Backbone:
    """A net of torchvision; ``weights``: a name such as DEFAULT or IMAGENET1K_V1 (downloads), a file, or none."""
    known = models.list_models(module=models)
    if name not in known:
        raise unknown("torchvision net", name, known)
    enum = models.get_model_weights(name)
    entry: Any = None
    if weights in enum.__members__ or weights == "DEFAULT":
        entry = enum[weights] if weights != "DEFAULT" else enum.DEFAULT
    elif weights != "none" and "/" not in weights and "." not in weights:
        raise unknown(
            f"weights of {name!r}", weights, ["DEFAULT", "none", *enum.__members__], hint="a file has a '.' or '/'"
        )
    written = f"torchvision:{name}" + ("" if weights == "DEFAULT" else f"(weights={weights!r})")
    with torch.random.fork_rng(devices=[]), without_weights():
        _, head, num_features = _bodied(name)
    settings = entry.transforms() if entry is not None else None
    mean = settings.mean if settings is not None else IMAGENET_MEAN
    std = settings.std if settings is not None else IMAGENET_STD

    def file() -> Path:
        return _downloaded(name, entry) if entry is not None else existing(weights, written)

    def build(*, pretrained: bool = True) -> nn.Module:
        if not pretrained or weights == "none":
            return _bodied(name)[0]
        return copy.deepcopy(_filled(name, file(), head, written))

    return Backbone(
        name=written,
        num_features=num_features,
        mean=(255 * mean[0], 255 * mean[1], 255 * mean[2]),
        std=(255 * std[0], 255 * std[1], 255 * std[2]),
        build=build,
        find_weights=lambda: "" if weights == "none" else sha256_of(file()),
        find_pretraining=lambda: {} if entry is not None or weights == "none" else pretraining_facts(file()),
        find_origin=lambda: Origin() if weights == "none" else own_file(weights) if entry is None else _origin(entry),
    )


def _origin(entry: Any) -> Origin:
    licence = entry.meta.get("license", "none stated for the weights; torchvision's own is BSD-3-Clause")
    return Origin(
        trained_on=", ".join(entry.meta.get("_metrics", ())),
        source=f"{entry.url} (torchvision's {entry})",
        licence=licence,
        file=_place(entry),
        fetch="torchvision downloads them at the first use",
    )


def _bodied(name: str) -> tuple[nn.Module, str, int]:
    """The net without its classifier, and that layer's name and the width that it reads."""
    # GoogLeNet and Inception draw their initial weights slowly and warn unless told how; nothing else knows the option.
    options = {"init_weights": True, "aux_logits": False} if name in ("googlenet", "inception_v3") else {}
    net = models.get_model(name, weights=None, **options)
    path, last = [entry for entry in net.named_modules() if isinstance(entry[1], (nn.Linear, nn.Conv2d))][-1]
    net.set_submodule(path, nn.Identity())
    # SqueezeNet classifies each place by a convolution and pools what that gives.
    return net, path, last.in_features if isinstance(last, nn.Linear) else last.in_channels


@cache
def _filled(name: str, file: Path, head: str, written: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        body = _bodied(name)[0]
    load_body(body, read_tensors(file, written), ignore=head, backbone=written, path=file)
    return body.eval()


def _place(entry: Any) -> Path:
    file: str = entry.url.rpartition("/")[2]
    return Path(torch.hub.get_dir()) / "checkpoints" / file


def _downloaded(name: str, entry: Any) -> Path:
    path = _place(entry)
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file's name ends in the first digits of its hash, which the download checks.
    digits = path.stem.rpartition("-")[2]
    try:
        torch.hub.download_url_to_file(entry.url, str(path), hash_prefix=digits, progress=False)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"torchvision:{name}: cannot download its weights ({error}); put {entry.url} at {path}, "
            "or write weights=FILE or weights=none"
        ) from error
    return path
