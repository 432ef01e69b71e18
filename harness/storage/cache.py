"""Where do prepared images and fetched weights wait between runs? In one folder of the user's."""

import os
from pathlib import Path

from harness.core.errors import UserError


def cache_folder() -> Path:
    """``NEVIS_HARNESS_CACHE`` if set, else ``nevis-harness`` in the user's cache folder.

    Raises:
        UserError: the user has no home folder, and no other is named.
    """
    try:
        if named := os.environ.get("NEVIS_HARNESS_CACHE"):
            return Path(named).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nevis-harness"
    except RuntimeError as error:
        raise UserError(
            "this user has no home folder, and so no place for prepared images; set NEVIS_HARNESS_CACHE to a folder"
        ) from error
