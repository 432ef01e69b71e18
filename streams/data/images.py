"""How does an image of any size and mode become 64 x 64 uint8? As NEVIS'22: the largest central square, resized."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from harness.core.errors import UserError
from streams.data.prepared import Array

SIDE = 64


def open_image(path: Path) -> Image.Image:
    """The decoded image at ``path``.

    Raises:
        UserError: the file is missing, truncated, or no image.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError as error:
        raise UserError(f"image {path} is missing; install or download its data set again") from error
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} is not an image that can be read; remove or replace it") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"image {path} cannot be decoded ({error}); replace it with a whole copy") from error


def square(image: Image.Image, side: int = SIDE) -> Image.Image:
    """The largest central square of ``image``, resized bilinearly to ``side``."""
    width, height = image.size
    edge = min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    return image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + edge, top + edge))


def grey(images: Iterable[Array], side: int = SIDE) -> Array:
    """uint8 images (h, w) of any size to one array (n, side, side, 1)."""
    resized = [np.asarray(square(Image.fromarray(image, mode=None), side)) for image in images]
    return np.stack(resized)[..., None]


def color(image: Image.Image, side: int = SIDE) -> Array:
    """One image of any mode to (side, side, 3); transparency is laid on white, 16-bit grey is scaled to 8."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float64)
        high = 65535 if values.max() > 255 else 255
        image = Image.fromarray((values * 255 / high).round().clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    if image.mode == "L":
        return np.repeat(np.asarray(square(image, side))[..., None], 3, axis=-1)
    return np.asarray(square(image.convert("RGB"), side))
