"""Which suites come with the harness? TOML files in this folder, by name."""

import tomllib
from pathlib import Path


def suites() -> dict[str, Path]:
    """The suites that come with the harness, by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.toml"))}


def about(path: Path) -> str:
    """The sentence with which a suite says what it is for."""
    return str(tomllib.loads(path.read_text(encoding="utf-8")).get("about", ""))
