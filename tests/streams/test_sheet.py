"""A contact sheet shows samples of every task."""

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import UserError
from harness.core.stream import Stream
from streams.nevis22 import nevis22
from streams.sheet import write_sheet


def test_a_sheet_has_a_strip_with_images_for_each_task(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path / "cache"))
    stream = nevis22(variant="debug")
    write_sheet(stream, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    strips = np.split(sheet, len(stream))
    for strip, task in zip(strips, stream, strict=True):
        pictures = strip[3:67, 220:284]
        from harness.core.task import Split

        shown = task.load(Split.TRAIN).images
        assert any(np.array_equal(pictures, image) for image in shown), "the first sample is a training image"
        assert (strip[:, :200] < 128).any(), "and there is text beside it"


def test_a_place_that_cannot_be_written_is_a_users_error(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="no/where"):
        write_sheet(nevis22(tasks=["semeion"]), tmp_path / "no" / "where.png")
    with pytest.raises(UserError, match="no tasks"):
        write_sheet(Stream("empty", "1", ()), tmp_path / "sheet.png")
