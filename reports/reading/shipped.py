"""Which results come along? The bundles of the reference results, by the name of each and under one name together."""

from pathlib import Path

from reports.reading.bundle import SUFFIX

REFERENCE = "reference"
"""All of them."""


def shipped() -> dict[str, tuple[Path, ...]]:
    """By name, the bundles that it stands for."""
    bundles = sorted((Path(__file__).parents[1] / "reference").glob(f"*{SUFFIX}"))
    return {REFERENCE: tuple(bundles)} | {path.name.removesuffix(SUFFIX): (path,) for path in bundles}
