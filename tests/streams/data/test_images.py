"""What an image says of itself is heeded: its mode, orientation, frames and size."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import UserError
from streams.data.folders import folder_arrays
from streams.data.images import MOST_PIXELS, color, open_image


def _set(place: Path, *pictures: tuple[str, Image.Image]) -> list[tuple[int, int]]:
    """The left and right grey of ``pictures``, as a folder of them is read among ordinary images."""
    for k, name in enumerate(("a", "b")):
        (place / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (8, 8), (90 * k, i, 0)).save(place / name / f"{i}.png")
    for name, image in pictures:
        image.save(place / "b" / name)
    images = folder_arrays(place)["images"][8:]
    return [(int(image[32, 5, 0]), int(image[32, 58, 0])) for image in images]


def _halves(left: float, right: float, kind: type) -> Image.Image:
    values = np.full((16, 16), left, float)
    values[:, 8:] = right
    return Image.fromarray(values.astype(kind))


@pytest.mark.parametrize(
    ("images", "seen"),
    [
        ([_halves(0.2, 0.8, np.float32)], [(51, 204)]),
        ([_halves(0.0, 1.0, np.float32), _halves(0.0, 0.5, np.float32)], [(0, 255), (0, 128)]),
        ([_halves(20, 200, np.float32), _halves(0, 1, np.float32)], [(20, 200), (0, 1)]),
        ([_halves(-5, 5, np.float32), _halves(0, 5, np.float32)], [(0, 255), (128, 255)]),
        ([_halves(257, 200 * 257, np.uint16), _halves(0, 257, np.uint16)], [(1, 200), (0, 1)]),
        ([_halves(10**5, 10**6, np.int32), _halves(10**5, 550_000, np.int32)], [(0, 255), (0, 128)]),
    ],
    ids=["floats to 1", "two floats", "floats to 255", "negative floats", "16 bits", "32 bits"],
)
def test_a_mode_has_one_scale_in_a_folder(tmp_path, images, seen) -> None:
    assert _set(tmp_path, *((f"z{i}.tif", image) for i, image in enumerate(images))) == seen


def test_16_bits_in_png_and_pgm_have_the_scale_of_tiff(tmp_path) -> None:
    pictures = [(name, _halves(257, 200 * 257, np.uint16)) for name in ("x.png", "y.tif", "z.pgm")]
    assert _set(tmp_path, *pictures) == [(1, 200)] * 3


def test_values_that_are_no_numbers_are_refused(tmp_path) -> None:
    with pytest.raises(UserError, match=r"x\.tif.*NaN"):
        _set(tmp_path, ("x.tif", _halves(0, np.nan, np.float32)))


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "LA", "PA", "La", "RGBa", "CMYK", "YCbCr", "HSV", "LAB", "RGBX"]
)
def test_every_mode_that_pillow_has_becomes_rgb(mode) -> None:
    grey = Image.new("RGBA", (9, 9), (255, 255, 255, 255))
    image = {
        "PA": lambda: grey.convert("RGB").convert("P").convert("PA"),
        "La": lambda: grey.convert("LA").convert("La"),
        "RGBa": lambda: grey.convert("RGBa"),
        "LAB": lambda: Image.new("LAB", (9, 9), (255, 128, 128)),
    }.get(mode, lambda: grey.convert("RGB").convert(mode))()
    assert image.mode == mode
    assert (np.abs(color(image).astype(int) - 255) <= 2).all()


def test_a_transparent_palette_is_laid_on_white() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 9, 9, 9])
    image.info["transparency"] = 1
    assert (color(image) == 255).all()


def test_a_camera_held_sideways_is_read_upright(tmp_path) -> None:
    image = Image.new("RGB", (40, 40))
    image.paste((255, 255, 255), (0, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    for ending in ("jpg", "png", "webp", "tif"):
        image.save(tmp_path / f"x.{ending}", exif=exif)
        seen = color(open_image(tmp_path / f"x.{ending}"))
        assert seen[32, 60, 0] > 240 and seen[32, 3, 0] < 15, f"{ending}: what was above is on the right"


def test_of_several_frames_the_first_is_taken_and_said(tmp_path, caplog) -> None:
    frames = [Image.new("L", (8, 8), 50), Image.new("L", (8, 8), 200)]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.new("RGB", (8, 8), (i, 0, len(name) * 9)).save(tmp_path / name / f"{i}.png")
    for ending in ("gif", "tif", "webp"):
        frames[0].save(tmp_path / "a" / f"x.{ending}", save_all=True, append_images=frames[1:])
    images = folder_arrays(tmp_path)["images"]
    assert (np.abs(images[4:7].astype(int) - 50) <= 2).all()
    assert any("x.gif and 2 more hold several frames" in line for line in caplog.messages)


def _claims(path: Path, width: int, height: int) -> None:
    """A PNG of one bit a pixel, whose rows are black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width // 8 + 2) * height), 1)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def test_an_image_too_large_is_said_with_its_size_and_the_limit(tmp_path) -> None:
    _claims(tmp_path / "x.png", 20_990, 29_700)
    with pytest.raises(UserError, match=r"x\.png is 20990 x 29700 pixels, 623 megapixels; at most 179"):
        open_image(tmp_path / "x.png")


def test_a_large_image_below_the_limit_is_read_without_a_word(tmp_path) -> None:
    _claims(tmp_path / "x.png", 12_000, 8_000)
    assert MOST_PIXELS > 12_000 * 8_000
    assert open_image(tmp_path / "x.png").size == (12_000, 8_000)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "is a page"),
        (b"GIF89a", "x.png"),
    ],
)
def test_what_is_no_image_is_said_by_what_it_is(tmp_path, content, said) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(UserError, match=said):
        open_image(tmp_path / "x.png")


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "bmp", "gif", "webp", "ppm", "tga", "jp2"])
def test_a_truncated_file_is_refused(tmp_path, ending) -> None:
    path = tmp_path / f"x.{ending}"
    Image.effect_noise((90, 90), 50).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=f"x.{ending}"):
        open_image(path)
