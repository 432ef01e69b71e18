"""What do letters and digits look like in other type? Glyphs of 62 classes rendered from the fonts matplotlib ships.

After Chars74K (de Campos et al. 2009), whose font part has the same 62 classes. Only font files that hold all 62
characters are used, and no family is in two of train + dev, dev_test and test: what is asked is a new typeface.
"""

import string
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from harness.core.errors import UserError
from harness.core.seeding import numpy_generator
from harness.core.task import Split
from streams.data.images import SIDE
from streams.data.prepared import Array
from streams.data.splits import stratified_splits
from streams.data.stored import with_splits
from streams.mini.packaged import Arrays, package_folder

CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase

FAMILIES: dict[str, tuple[Split, tuple[str, ...]]] = {
    "DejaVu Sans": (
        Split.TRAIN,
        ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    ),
    "DejaVu Sans Mono": (
        Split.TRAIN,
        ("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    ),
    "DejaVu Serif": (
        Split.TRAIN,
        ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    ),
    "STIX General": (
        Split.DEV_TEST,
        ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    ),
    "Computer Modern": (Split.TEST, ("cmr10", "cmb10", "cmss10", "cmti10", "cmtt10")),
}
"""Families and their files. Left out: math alphabets, symbols, and the last-resort font, which draws no letters."""


def font_glyphs(*, per_font: int = 2) -> Arrays:
    """Dark glyphs on light ground, ``per_font`` of each character and font file; size, place and slant vary.

    ``families`` says from which family each image is, as an index into :data:`FAMILIES`.
    """
    folder = package_folder("matplotlib", "matplotlib") / "mpl-data" / "fonts" / "ttf"
    images, labels, families = [], [], []
    for family, (_, files) in enumerate(FAMILIES.values()):
        for file in files:
            generator = numpy_generator(0, "font_glyphs", file)
            for label, character in enumerate(CHARACTERS):
                for _ in range(per_font):
                    images.append(_glyph(folder / f"{file}.ttf", character, generator))
                    labels.append(label)
                    families.append(family)
    arrays = {
        "images": np.stack(images)[..., None],
        "labels": np.array(labels, np.int64),
        "families": np.array(families, np.int64),
    }
    return with_splits(arrays, _splits(arrays["labels"], arrays["families"]))


def _splits(labels: Array, families: Array) -> dict[Split, Array]:
    home = [split for split, _ in FAMILIES.values()]
    members = {
        split: np.flatnonzero(np.isin(families, [i for i, h in enumerate(home) if h == split])) for split in set(home)
    }
    learnt = members[Split.TRAIN]
    cut = stratified_splits(labels[learnt], numpy_generator(0, "font_glyphs"), {Split.TRAIN: 80, Split.DEV: 20})
    return members | {split: learnt[index] for split, index in cut.items()}


def _glyph(path: Path, character: str, generator: np.random.Generator) -> Array:
    """One character, its ink box centered with jitter, rotated by up to 12 degrees, in random grey levels."""
    size, angle, (dx, dy) = generator.integers(30, 49), generator.uniform(-12, 12), generator.integers(-5, 6, 2)
    paper, ink = generator.integers(170, 256), generator.integers(0, 100)
    try:
        font = ImageFont.truetype(path, int(size), layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise UserError(f"font {path} cannot be read ({error}); install matplotlib again") from error
    canvas = Image.new("L", (2 * SIDE, 2 * SIDE), 0)
    left, top, right, bottom = font.getbbox(character)
    place = (SIDE - (left + right) / 2 + dx, SIDE - (top + bottom) / 2 + dy)
    ImageDraw.Draw(canvas).text(place, character, fill=255, font=font)
    turned = canvas.rotate(float(angle), Image.Resampling.BILINEAR, center=(SIDE, SIDE))
    mask = np.asarray(turned.crop((SIDE // 2, SIDE // 2, 3 * SIDE // 2, 3 * SIDE // 2))).astype(np.int64)
    return ((paper * (255 - mask) + ink * mask + 127) // 255).astype(np.uint8)
