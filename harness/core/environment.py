"""On what did a run happen? Versions, code and hardware: captured once a run, so that a number can be traced."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    "nevis-harness",
    "torch",
    "torchvision",
    "timm",
    "torch-pruning",
    "POT",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "scikit-image",
    "avalanche-lib",
)


@cache
def environment() -> dict[str, Any]:
    """``code`` (commit, dirty), ``packages`` and ``hardware`` as ``run.json`` keeps them."""
    return {"code": _code(), "packages": _packages(), "hardware": _hardware(), "python": platform.python_version()}


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _code() -> dict[str, Any]:
    """Commit of the tree this file lies in; None where it is installed without one."""
    here = Path(__file__).resolve().parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        dirty = bool(_git(here, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": dirty}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.strip()


def _hardware() -> dict[str, Any]:
    import torch

    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
