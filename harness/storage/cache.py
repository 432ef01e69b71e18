"""Where do prepared images and fetched weights wait between runs? In one folder of the user's."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """``NEVIS_HARNESS_CACHE`` if set, else ``nevis-harness`` in the user's cache folder."""
    if named := os.environ.get("NEVIS_HARNESS_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nevis-harness"
