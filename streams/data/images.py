"""How does an image of any size and mode become 64 x 64 uint8? As NEVIS'22: the largest central square, resized.

64 px unless a stream is asked for another side; a square image that has the side already is not resampled.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from harness.core.errors import UserError
from streams.data.prepared import Array

SIDE = 64
"""Side of stored images in pixels, where no other is asked for."""

_SIDES = range(8, 1025)

MOST_PIXELS = 178_956_970
"""A larger image is refused, as Pillow does by default: a small file can claim to be one that fills the memory."""

Span = tuple[float, float]
"""The values that are black and white."""

SPANS: Mapping[str, tuple[Span, ...]] = {"F": ((0, 1), (0, 255), (0, 65535)), "I": ((0, 65535),)}
"""The usual spans of modes that do not fix one: floats, and 32-bit whole numbers, as which some of 16 bits are read."""

_NOT_IMAGES = {
    b"version https://git-lfs": "is a pointer of Git LFS and not the file itself; 'git lfs pull' fetches it",
    b"<": "is a page or a drawing in XML and no image of pixels; download it again",
}


def checked_side(side: int) -> int:
    """``side``, if images can be stored so.

    Raises:
        UserError: it is not from 8 to 1024 px.
    """
    if side not in _SIDES:
        raise UserError(f"side={side}: expected the side of stored images in pixels, from {_SIDES[0]} to {_SIDES[-1]}")
    return side


def open_image(path: Path) -> Image.Image:
    """The decoded image at ``path``, upright; of several frames or pages the first.

    Raises:
        UserError: the file is missing, truncated, larger than :data:`MOST_PIXELS`, or no image.
    """
    return decoded(path)[0]


def decoded(path: Path) -> tuple[Image.Image, bool]:
    """As :func:`open_image`, and whether the file holds more frames or pages."""
    try:
        with opened(path) as image:
            image.load()
            # The layers of a PSD are one picture; a camera's MPO holds its own preview.
            more = image.format not in ("PSD", "MPO") and bool(getattr(image, "is_animated", False))
            return upright(image), more
    except UserError:
        raise
    # Decoders raise whatever they stumble over in a damaged file.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"image {path} cannot be decoded ({reason}); replace it with a whole copy") from error


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The image at ``path`` with its header read and its pixels not yet: size, mode, frames.

    Raises:
        UserError: the file is missing, larger than :data:`MOST_PIXELS`, or no image.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            # What Pillow has to say about a file's metadata does not touch its pixels.
            warnings.simplefilter("ignore")
            image = Image.open(path)
    except FileNotFoundError as error:
        raise UserError(f"image {path} is missing; install or download its data set again") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{path} {_what_else(path)}") from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"image {path} cannot be decoded ({reason}); replace it with a whole copy") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    with image, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise UserError(
                f"{path} is {width} x {height} pixels, {width * height / 1e6:.0f} megapixels; at most "
                f"{MOST_PIXELS / 1e6:.0f} are read, so that no file fills the memory; make it smaller"
            )
        yield image


def upright(image: Image.Image) -> Image.Image:
    """``image`` turned as its EXIF orientation says, which is how a camera held sideways is meant to be seen."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        # EXIF that cannot be read says nothing of the orientation.
        return image


def _what_else(path: Path) -> str:
    with path.open("rb") as file:
        begin = file.read(200).lstrip()
    if not begin:
        return "is empty and not an image; remove or replace it"
    for sign, told in _NOT_IMAGES.items():
        if begin.startswith(sign):
            return told
    return "is not an image that can be read; remove or replace it"


def square(image: Image.Image, side: int = SIDE) -> Image.Image:
    """The largest central square of ``image``, resized bilinearly to ``side``; pixels stay where it has that side."""
    width, height = image.size
    edge = min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    return image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + edge, top + edge))


def grey(images: Iterable[Array], side: int = SIDE) -> Array:
    """uint8 images (h, w) of any size to one array (n, side, side, 1)."""
    resized = [np.asarray(square(Image.fromarray(image, mode=None), side)) for image in images]
    return np.stack(resized)[..., None]


def color(image: Image.Image, side: int = SIDE, *, spans: Mapping[str, Span] | None = None) -> Array:
    """One image of any mode to (side, side, 3); transparency is laid on white.

    Grey of more than 8 bits is scaled by its mode and never by its own brightest pixel: 16 bits over 65535; floats and
    32-bit whole numbers over ``spans``, by default the first of :data:`SPANS`.

    Raises:
        UserError: the image holds NaN or an infinite value.
    """
    image = _eight_bits(image, spans or {})
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = _with_alpha(image)
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    if image.mode == "L":
        return np.repeat(np.asarray(square(image, side))[..., None], 3, axis=-1)
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
    return np.asarray(square(image.convert("RGB"), side))


def extremes(image: Image.Image) -> Span:
    """The lowest and the highest value of an image of one channel.

    Raises:
        UserError: it holds NaN or an infinite value.
    """
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise UserError("an image of floats holds NaN or an infinite value; replace them")
    return low, high


def span(mode: str, low: float, high: float) -> Span:
    """The first usual span of ``mode`` that holds all values from ``low`` to ``high``; else these two themselves."""
    return next((usual for usual in SPANS[mode] if usual[0] <= low and high <= usual[1]), (low, high))


def _eight_bits(image: Image.Image, spans: Mapping[str, Span]) -> Image.Image:
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    elif image.mode in SPANS:
        extremes(image)
        low, high = spans.get(image.mode, SPANS[image.mode][0])
    else:
        return image
    values = np.asarray(image, dtype=np.float64)
    return Image.fromarray(((values - low) * 255 / max(high - low, 1e-300)).clip(0, 255).round().astype(np.uint8))


def _with_alpha(image: Image.Image) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")
    return image.convert("RGBA")
