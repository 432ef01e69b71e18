"""What is one run? Stream, strategy, budget, setting and seed; and a key, the hash of all that changes the answer."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.core.budget import Budget

PROTOCOL_VERSION = 5
"""Raised when the engine begins to give other answers for the same spec (splits, metering, evaluation, schedule), or
when what a key is made of changes: from 5 on the source of plugins and the content of named recipes are part of it."""

Scoring = Literal["dev_test", "test"]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Setting:
    """What all runs of a suite share.

    Attributes:
        size: image side in pixels.
        precision: ``bf16`` is autocast, but for training depthwise convolutions on a CPU. A suite may ask for ``auto``;
            a run never has it, see :mod:`harness.config.precision`.
        scoring: the split that is scored; ``test`` also brings in the held-out tasks.
    """

    backbone: str = "efficientnet_lite0"
    weights_hash: str = ""
    size: int = 64
    precision: Precision = "fp32"
    scoring: Scoring = "dev_test"
    protocol_version: int = PROTOCOL_VERSION


@dataclass(frozen=True)
class RunSpec:
    """One run. ``stream`` and ``strategy`` are written forms; the resolved options and fingerprint make them exact.

    Attributes:
        fingerprint: of the stream's content.
        options: every option of the strategy, defaults included.
        strategy_version: of the strategy's class.
        identity: of the stream, where that is not its written form.
        sources: hashes of the plugins' source, by what they define: ``strategy``, ``stream``, ``backbone``. What is
            built in has none: the protocol version stands for it.
    """

    stream: str
    fingerprint: str
    strategy: str
    options: tuple[tuple[str, Any], ...]
    strategy_version: int
    budget: Budget
    setting: Setting
    seed: int
    identity: str = ""
    sources: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """SHA-256 over all that changes the answer: equal keys mean equal canonical records."""
        name = self.strategy.partition("(")[0]
        content: dict[str, Any] = {
            "stream": [self.identity or self.stream, self.fingerprint],
            "strategy": [name, sorted((k, _plain(v)) for k, v in self.options), self.strategy_version],
            "budget": str(self.budget),
            "setting": asdict(self.setting),
            "seed": self.seed,
        }
        # Without plugins, and before protocol 5, a key is made of what it always was.
        if self.sources and self.setting.protocol_version >= 5:
            content["sources"] = sorted(self.sources)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def folder(self) -> str:
        """Where the run lives below the output folder: ``<stream>/<strategy>/<budget>/seed<k>-<key8>``."""
        parts = (self.identity or self.stream, self.strategy, str(self.budget))
        return "/".join([*map(path_safe, parts), f"seed{self.seed}-{self.key[:8]}"])


def path_safe(text: str) -> str:
    """A file name that any system takes, still readable; two texts may share one, so a key stands beside it."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._=+-") else "_" for c in text.replace(" ", ""))
    return kept.strip("_.")[:80] or "_"


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)
