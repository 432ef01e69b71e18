"""On what are recipes tried, and who goes on? Rungs of tasks and seeds: few for all trials, more for the best of them.

Every task is one of development: a set of role ``develop``, given on the command line, or an emulated task outside
``variant=spread`` with seed 5 or more. The pool was named before anything was measured. Which tasks stand on which
rung, and how many trials there are, was settled for time after errors of the first rungs had been seen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config.notation import Written, parse
from harness.core.band import Band
from harness.core.errors import UserError
from harness.core.spec import Setting
from streams.folder import declared_tasks, toml_path

BODIES = (
    "dense",
    "filter_pruned(flops=0.5)",
    "filter_pruned(flops=0.25)",
    "channel_pruned(flops=0.5)",
    "ot_fused(flops=0.5)",
)
NETS = ("resnet50_half", "efficientnet_lite0")
PRECISION = {"resnet50_half": "bf16", "efficientnet_lite0": "fp32"}
"""The faster one on the processors of today: bf16 is slow for depthwise convolutions."""

TRAIN = 400
"""Training images a task at most."""


@dataclass(frozen=True)
class Rung:
    """One step of the search in one band.

    Attributes:
        real: tasks of the given stream. emulated: tasks of ``nevis22(seed=...)``.
        best: so many trials go on to it: the best for all bodies together, beside the best for the body itself and the
            known competent one; None: all trials are on it.
        check: its seeds are others than those that recipes are chosen on.
        train: training images a task at most.
    """

    band: Band
    budget: str
    real: tuple[str, ...]
    emulated: tuple[str, ...] = ()
    emulated_seed: int = 5
    seed: int = 0
    best: int | None = None
    check: bool = False
    train: int = TRAIN

    def streams(self, given: Path, folder: Path) -> list[str]:
        """The streams as they are written; the part of ``given`` is declared below ``folder``."""
        real = str(Written("folder", {"name": str(part_of(given, self.real, folder))}))
        found = [real] if self.real else []
        if self.emulated:
            found.append(str(Written("nevis22", {"tasks": list(self.emulated), "seed": self.emulated_seed})))
        return [str(Written("capped", {"stream": one, "train": self.train})) for one in found]

    def setting(self, net: str) -> Setting:
        return Setting(backbone=net, precision="bf16" if PRECISION[net] == "bf16" else "fp32")


RUNGS: dict[Band, tuple[Rung, ...]] = {
    "under_1k": (
        Rung("under_1k", "0.75ep", ("dtd10", "semeion", "eurosat5")),
        Rung("under_1k", "0.75ep", ("caltech101", "gtsrb", "fashion_mnist", "covid19_xray"), best=2),
        Rung("under_1k", "0.75ep", ("dtd10", "semeion", "landsat"), ("coil20", "kth_tips_2b"), seed=1, best=1,
             check=True),
    ),
    "to_10k": (
        Rung("to_10k", "4ep", ("dtd10", "gtsrb")),
        Rung("to_10k", "10ep", ("semeion", "eurosat5"), best=1),
        Rung("to_10k", "10ep", ("dtd10", "landsat"), seed=1, best=1, check=True),
    ),
    "to_100k": (
        Rung("to_100k", "26ep", ("semeion",), best=1),
    ),
}  # fmt: skip
"""By band, cheap rungs first. All trials are on the first rung of the two lower bands; the highest tries the best of
the first rung below it: a training there costs as much as ten here."""


def in_order(bands: Iterable[Band]) -> list[tuple[Band, int]]:
    """The rungs of ``bands`` as they are climbed: what is chosen on in all bands first, then the checks."""
    places = [(band, rung) for band in bands for rung in range(len(RUNGS[band]))]
    return sorted(places, key=lambda place: RUNGS[place[0]][place[1]].check)


def part_of(given: Path, names: Sequence[str], folder: Path) -> Path:
    """A file below ``folder`` that declares those of the tasks of ``given`` that have ``names``.

    Raises:
        UserError: ``given`` has no task of a name.
    """
    _, declared = declared_tasks(given)
    known = {one.name: (one, place) for one, place, _ in declared}
    if missing := [name for name in names if name not in known]:
        raise UserError(f"{given} declares no task {missing[0]!r}, on which recipes are tried; it has {sorted(known)}")
    parts = []
    for one, place in (known[name] for name in names):
        parts.append(f'[[task]]\nname = "{one.name}"\nfolder = "{place.resolve()}"\ndomain = "{one.domain}"\n')
        if one.year is not None:
            parts.append(f"year = {one.year}\n")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{'-'.join(names)}.toml"
    text = "".join(parts)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path


def stream_file(stream: str) -> Path:
    """The file behind ``folder:FILE``.

    Raises:
        UserError: it is another stream, or the file is missing.
    """
    name = parse(stream).name
    if not name.startswith("folder:"):
        raise UserError(f"--stream {stream}: expected folder:FILE, the sets of images that recipes are developed on")
    return toml_path(name.removeprefix("folder:"))
