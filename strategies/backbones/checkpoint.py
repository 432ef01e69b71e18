"""How does a net become a backbone? With published weights, a file's, or random ones, and without classifier."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.compute.backbone import Backbone, Origin
from harness.config.notation import Written
from harness.core.errors import unknown
from strategies.backbones.packaged import Packaged, checked
from strategies.backbones.weights import existing, load_body, own_file, pretraining_facts, read_tensors, sha256_of


@dataclass(frozen=True)
class Published:
    """Weights that a package brings.

    Attributes:
        packaged: the file.
        read: its tensors, named as the net names its own; of the classifier too, where the net has one.
        described: what they were trained on, in words that stand beside results.
        licence: theirs, in a few words.
    """

    packaged: Packaged
    read: Callable[[Path], Mapping[str, Tensor]]
    described: str
    licence: str


@dataclass(frozen=True)
class Checkpoint:
    """A net with its classifier, and how to fill it.

    Attributes:
        name: of the backbone, and its ``options`` that are not at their defaults.
        net: a new net, its weights drawn from torch's global generator.
        classifier: where the net holds what turns features into logits; for the backbone it is replaced by ``instead``.
        weights: ``published``, ``none``, or a file.
        offered: where weights are had that fit, where none are published with the net.
        num_features, mean, std: as of :class:`~harness.compute.backbone.Backbone`.
    """

    name: str
    net: Callable[[], nn.Module]
    classifier: str
    weights: str
    num_features: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    published: Published | None = None
    offered: str = ""
    options: tuple[tuple[str, int], ...] = ()
    instead: Callable[[], nn.Module] = nn.Identity

    def backbone(self) -> Backbone:
        """The net without its classifier.

        Raises:
            UserError: ``weights`` is neither a file nor a word that is known.
        """
        words = ["published", "none"] if self.published else ["none"]
        if self.weights not in words and "/" not in self.weights and "." not in self.weights:
            raise unknown(f"weights of {self.name!r}", self.weights, words, hint="a file has a '.' or '/'")
        shown = self.published if self.weights == "published" else None
        return Backbone(
            name=self.written,
            num_features=self.num_features,
            mean=self.mean,
            std=self.std,
            build=self._build,
            find_weights=lambda: "" if self.weights == "none" else sha256_of(self._file()),
            find_pretraining=lambda: (
                pretraining_facts(self._file()) if self.weights not in ("none", "published") else {}
            ),
            find_classifier=self._own_classifier,
            find_origin=self._origin,
            described=shown.described if shown else "",
            fetch=shown.packaged.fetch if shown else None,
        )

    @property
    def written(self) -> str:
        """The backbone's written form."""
        default = "published" if self.published else "none"
        weights = {} if self.weights == default else {"weights": self.weights}
        return str(Written(self.name, {**dict(self.options), **weights}))

    def whole(self) -> nn.Module:
        """The net with its classifier, filled, in eval mode.

        Raises:
            UserError: its weights are not here, damaged, or of another net.
        """
        with torch.random.fork_rng(devices=[]):  # The weights it is born with are drawn, and then replaced.
            net = self.net()
        load_body(net, _tensors(self, self._file()), ignore="", backbone=self.written, path=self._file())
        return net.eval()

    def _origin(self) -> Origin:
        if self.weights == "published" and self.published:
            packaged = self.published.packaged
            return Origin(
                trained_on=self.published.described,
                source=packaged.source,
                licence=self.published.licence,
                file=packaged.path,
                fetch=f"harness data fetch {self.name}",
            )
        return Origin(fetch=self.offered) if self.weights == "none" else own_file(self.weights)

    def _build(self, *, pretrained: bool = True) -> nn.Module:
        if not pretrained or self.weights == "none":
            return self._headless()
        return copy.deepcopy(_filled(self, self._file()))

    def _headless(self) -> nn.Module:
        net = self.net()
        net.set_submodule(self.classifier, self.instead())
        return net

    def _own_classifier(self) -> nn.Linear | None:
        if self.weights == "none":
            return None
        state = _tensors(self, self._file())
        weight, bias = (state.get(f"{self.classifier}.{part}") for part in ("weight", "bias"))
        if weight is None or bias is None:
            return None
        linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
        linear.load_state_dict({"weight": weight, "bias": bias})
        assert isinstance(linear, nn.Linear)
        return linear

    def _file(self) -> Path:
        if self.weights == "published" and self.published:
            return checked(self.published.packaged, self.published.packaged.path)
        return existing(self.weights, self.written)


def _tensors(checkpoint: Checkpoint, file: Path) -> Mapping[str, Tensor]:
    if checkpoint.weights == "published" and checkpoint.published:
        return checkpoint.published.read(file)
    state = read_tensors(file, checkpoint.written)
    # Training over several devices writes every name behind this prefix.
    return {name.removeprefix("module."): value for name, value in state.items()}


@cache
def _filled(checkpoint: Checkpoint, file: Path) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        body = checkpoint._headless()
    state = _tensors(checkpoint, file)
    load_body(body, state, ignore=checkpoint.classifier, backbone=checkpoint.written, path=file)
    return body.eval()
