"""ELPV is cut as its paper's abstract counts it, and the parts share every kind of cell."""

import numpy as np
import pytest

from harness.core.errors import UserError
from harness.core.task import Split
from streams.elpv import elpv


def test_1968_cells_are_trained_on_656_others_tested_and_every_type_and_level_is_in_both(tmp_path, monkeypatch):
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path))
    (task,) = elpv(side=16)
    assert {str(split): n for split, n in task.sizes.items()} == {
        "train": 1968,
        "dev": 197,
        "dev_test": 197,
        "test": 656,
    }
    train, test = task.load(Split.TRAIN), task.load(Split.TEST)
    assert train.images.shape == (1968, 16, 16, 3)
    shares = [float(np.mean(part.labels)) for part in (train, test)]
    # 715 cells of level 1 and 106 of level 2/3, of 2,624.
    assert shares == pytest.approx([821 / 2624] * 2, abs=0.002)


def test_a_side_beyond_the_published_images_is_refused():
    with pytest.raises(UserError, match=r"side=301.*16 to 300 pixels"):
        elpv(side=301)
