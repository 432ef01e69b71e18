"""The example of a plugin installs into an environment of its own, is found there by its name, and passes its test."""

import json
import os
import shutil
import subprocess
import venv
from pathlib import Path
from sysconfig import get_path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, installed into a virtual environment beside it that also sees what is installed here."""
    place = tmp_path_factory.mktemp("plugin")
    copy = Path(shutil.copytree(EXAMPLE, place / "copy", ignore=shutil.ignore_patterns("*.egg-info", "build")))
    venv.create(place / "venv", with_pip=False)
    (packages,) = place.glob("venv/lib/python*/site-packages")
    # Not a mere path: the .pth files over there are to be read as well.
    (packages / "here.pth").write_text(f"import site; site.addsitedir({get_path('purelib')!r})\n")
    say(copy, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", ".")
    return copy


def say(copy: Path, *command: str) -> str:
    """What a command of that environment's Python says."""
    done = subprocess.run(
        [str(copy.parent / "venv" / "bin" / "python"), *command],
        cwd=copy,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_is_known_by_its_name_where_it_is_installed(installed: Path) -> None:
    command = "from harness.cli import main; main(['list', 'strategies', '--json'])"
    found = {row["name"]: row["about"] for row in json.loads(say(installed, "-c", command))}
    assert found["half_frozen"] == "Freeze the first ``share`` of the parameter tensors, train the rest and a new head."
    assert "finetune" in found


def test_the_examples_own_test_passes_there(installed: Path) -> None:
    assert "2 passed" in say(installed, "-m", "pytest", "-p", "no:cacheprovider", "test_half_frozen.py")
