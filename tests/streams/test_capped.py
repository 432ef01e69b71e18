"""A capped stream is the same stream with fewer images to learn from."""

import numpy as np
import pytest

from harness.config.registry import make
from harness.core.errors import UserError
from harness.core.stream import Stream
from harness.core.task import Split

WHOLE = "nevis22(tasks=[usps, landsat])"


def capped(train: int) -> Stream:
    stream: Stream = make("streams", f'capped(stream="{WHOLE}", train={train})')
    return stream


def test_only_training_images_are_fewer_and_every_class_is_among_them() -> None:
    whole: Stream = make("streams", WHOLE)
    for task, mine in zip(whole, capped(40), strict=True):
        assert mine.sizes == {**task.sizes, Split.TRAIN: 40}
        part = mine.load(Split.TRAIN)
        assert len(part) == 40 and set(part.labels.tolist()) == set(range(task.num_classes))
        assert np.array_equal(mine.load(Split.DEV_TEST).images, task.load(Split.DEV_TEST).images)


def test_smaller_parts_lie_inside_larger_ones_and_do_not_change() -> None:
    few, many, again = (next(iter(capped(n))).load(Split.TRAIN).images for n in (20, 60, 20))
    assert np.array_equal(few, again)
    assert {image.tobytes() for image in few} <= {image.tobytes() for image in many}


def test_the_cap_is_part_of_name_and_fingerprint_and_the_name_opens_it_again() -> None:
    prints = {stream.fingerprint() for stream in (make("streams", WHOLE), capped(20), capped(60))}
    assert len(prints) == 3
    assert make("streams", capped(20).name).fingerprint() == capped(20).fingerprint()


def test_a_cap_that_most_tasks_do_not_reach_leaves_them_as_they_are() -> None:
    whole: Stream = make("streams", WHOLE)
    assert [task.digest for task in capped(100_000)] == [task.digest for task in whole]


def test_less_than_an_image_a_class_is_refused() -> None:
    with pytest.raises(UserError, match=r"task 'landsat' has 7 classes; expected at least one"):
        capped(6)
