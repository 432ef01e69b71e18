"""How is a net of timm used as a backbone? Created without classifier: features after pooling."""

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from harness.compute.backbone import Backbone, Origin
from harness.core.errors import UserError, unknown
from strategies.backbones.weights import (
    existing,
    load_body,
    own_file,
    pretraining_facts,
    read_tensors,
    sha256_of,
    sha256_of_tensors,
)


def timm_backbone(name: str, *, weights: str = "DEFAULT") -> Backbone:
    """A net of timm; ``weights``: DEFAULT (timm downloads), a file, or none. ``NAME.TAG`` chooses among timm's."""
    plain = name.partition(".")[0]
    if not timm.is_model(plain):
        raise unknown("timm net", plain, timm.list_models())
    if name != plain and name not in timm.list_pretrained(f"{plain}.*"):
        raise unknown(f"weights of timm net {plain!r} called", name, timm.list_pretrained(f"{plain}.*"))
    if weights != "DEFAULT" and weights != "none" and "/" not in weights and "." not in weights:
        raise unknown(f"weights of {name!r}", weights, ["DEFAULT", "none"], hint="a file has a '.' or '/'")
    written = f"timm:{name}" + ("" if weights == "DEFAULT" else f"(weights={weights!r})")
    with torch.device("meta"):
        probe = _body(name)
    config: dict[str, Any] = dict(probe.pretrained_cfg)  # type: ignore[arg-type]
    mean, std = config["mean"], config["std"]
    # Nets with a layer between pooling and classifier name its width so.
    width: int = getattr(probe, "head_hidden_size", None) or probe.num_features  # type: ignore[assignment]

    def filled() -> nn.Module:
        if weights == "DEFAULT":
            return _downloaded(name)
        return _filled(name, existing(weights, written), config["classifier"], written)

    def build(*, pretrained: bool = True) -> nn.Module:
        return copy.deepcopy(filled()) if pretrained and weights != "none" else _body(name)

    def find_weights() -> str:
        if weights == "none":
            return ""
        if weights == "DEFAULT":
            return sha256_of_tensors(_downloaded(name).state_dict())
        return sha256_of(existing(weights, written))

    return Backbone(
        name=written,
        num_features=width,
        mean=(255 * mean[0], 255 * mean[1], 255 * mean[2]),
        std=(255 * std[0], 255 * std[1], 255 * std[2]),
        build=build,
        find_weights=find_weights,
        find_pretraining=lambda: (
            {} if weights in ("DEFAULT", "none") else pretraining_facts(existing(weights, written))
        ),
        find_origin=lambda: (
            Origin() if weights == "none" else own_file(weights) if weights != "DEFAULT" else _origin(config)
        ),
    )


def _origin(config: Mapping[str, Any]) -> Origin:
    """What timm knows of the weights of a net; its tags name the data, such as ``in1k`` or ``in22k_ft_in1k``."""
    hub, url, tag = (str(config.get(key) or "") for key in ("hf_hub_id", "url", "tag"))
    if not (hub or url):
        return Origin(fetch="timm has none for this net: write weights=FILE or weights=none")
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    return Origin(
        trained_on=f"{tag}, as timm's tag says" if tag else "",
        source=f"https://huggingface.co/{hub}" if hub else url,
        licence=str(config.get("license") or ""),
        file=_in_hub(hub) if hub else folder / url.rpartition("/")[2],
        fetch="timm downloads them at the first use",
    )


def _in_hub(name: str) -> Path:
    """The weights of ``name`` among what the Hugging Face hub's client has downloaded; else the folder for them."""
    from huggingface_hub import constants, try_to_load_from_cache

    for file in ("model.safetensors", "pytorch_model.bin"):
        if isinstance(found := try_to_load_from_cache(name, file), str):
            return Path(found)
    return Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"


def _body(name: str, *, pretrained: bool = False) -> nn.Module:
    options: dict[str, Any] = {"pretrained": pretrained, "num_classes": 0}
    try:
        # Position embeddings are resized to the image at hand, where a net has them.
        net: nn.Module = timm.create_model(name, dynamic_img_size=True, **options)
    except TypeError:
        net = timm.create_model(name, **options)
    return net


@cache
def _filled(name: str, file: Path, classifier: str, written: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        body = _body(name)
    load_body(body, read_tensors(file, written), ignore=classifier, backbone=written, path=file)
    return body.eval()


@cache
def _downloaded(name: str) -> nn.Module:
    try:
        with torch.random.fork_rng(devices=[]):
            return _body(name, pretrained=True).eval()
    except Exception as error:  # Hubs, sockets and missing entries share no class.
        reason = str(error).partition("\n")[0][:160]
        raise UserError(
            f"timm:{name}: cannot get its weights ({type(error).__name__}: {reason}); download them elsewhere "
            "and write weights=FILE, or weights=none"
        ) from error
