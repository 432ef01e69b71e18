"""What is installed from a wheel has everything: the reference results, the types, the schema, the suites."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of a wheel of this tree, alone in a folder."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("harness", "streams", "strategies", "reports"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(place)], cwd=source, capture_output=True, check=True)
    shutil.rmtree(source)
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(place / "site")
    return place / "site"


def test_the_reference_results_load_from_a_wheel_in_an_empty_folder(unpacked: Path, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(unpacked)!r})\n"
        "import harness\n"
        f"assert harness.__file__.startswith({str(unpacked)!r}), harness.__file__\n"
        "from reports.reading.shipped import shipped\n"
        "results = harness.load('nevis-mini-half')\n"
        "print(len(results.runs), len(shipped()['reference']), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("48 6 False\n", "")


def test_types_schema_and_data_are_in_the_wheel(unpacked: Path) -> None:
    files = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*")}
    assert {f"{package}/py.typed" for package in ("harness", "streams", "strategies", "reports")} < files
    assert {"harness/__init__.pyi", "harness/core/schema.json", "harness/config/suites/smoke.toml"} < files
    tracked = {
        str(p.relative_to(ROOT)) for p in (ROOT / "reports").rglob("*") if p.suffix in (".j2", ".css", ".js", ".xz")
    }
    assert tracked < files
