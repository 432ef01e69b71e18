"""Official splits are had as papers use them: every image, at its own size, or a refusal that says what is missing."""

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import UserError
from harness.core.task import Split
from streams import official as module
from streams.official import official


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A data set of 2 classes, 8 training images a class and 3 test images, of 5 px, as a folder."""
    monkeypatch.setenv("NEVIS_HARNESS_DATA", str(tmp_path))
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path / "cache"))
    facts = module._Set(5, 2, 16, 6, 2009, "object", "RGB")
    monkeypatch.setattr(module, "SETS", {"cifar10": facts})
    pixels = np.random.default_rng(0).integers(0, 256, (22, 5, 5, 3), dtype=np.uint8)
    for k, image in enumerate(pixels):
        part = "train" if k < 16 else "test"
        folder = tmp_path / "nevis22" / "cifar10" / part / "ab"[k % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{k:02}.png")
    return tmp_path / "nevis22" / "cifar10", pixels


def test_every_training_image_is_trained_on_and_every_test_image_scored_pixel_for_pixel(tiny):
    _, pixels = tiny
    (task,) = official(name="cifar10")
    assert {str(split): n for split, n in task.sizes.items()} == {"train": 16, "dev": 2, "dev_test": 2, "test": 6}
    held = task.load(Split.TRAIN)
    assert held.images.shape == (16, 5, 5, 3)
    assert sorted(map(bytes, held.images)) == sorted(map(bytes, pixels[:16]))
    assert sorted(map(bytes, task.load(Split.TEST).images)) == sorted(map(bytes, pixels[16:]))


def test_a_copy_with_fewer_training_images_is_refused_also_after_it_was_allowed(tiny):
    folder, _ = tiny
    (folder / "train" / "a" / "00.png").unlink()
    (task,) = official(name="cifar10", partial="allow")
    assert task.sizes[Split.TRAIN] == 15
    with pytest.raises(UserError, match="15 training images; the official set has 16; partial=allow"):
        official(name="cifar10")


def test_fewer_test_images_or_another_size_are_never_taken(tiny):
    folder, _ = tiny
    Image.new("RGB", (6, 6)).save(folder / "test" / "a" / "16.png")
    with pytest.raises(UserError, match="6 x 6 px; the official ones have 5 x 5"):
        official(name="cifar10", partial="allow")
    (folder / "test" / "a" / "16.png").unlink()
    with pytest.raises(UserError, match="5 test images; the official set has 6"):
        official(name="cifar10", partial="allow")


def test_without_images_it_says_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.setenv("NEVIS_HARNESS_DATA", str(tmp_path))
    monkeypatch.setenv("NEVIS_HARNESS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=r"cifar10.*not here.*torchvision.*one folder a class"):
        official(name="cifar10")
    with pytest.raises(UserError, match="did you mean 'fashion_mnist'"):
        official(name="fashionmnist")


def test_classes_are_shared_out_in_their_order_and_every_image_stays_in_its_part(tiny, monkeypatch):
    folder, pixels = tiny
    monkeypatch.setattr(module, "SETS", {"cifar10": module._Set(5, 4, 16, 6, 2009, "object", "RGB")})
    for part in ("train", "test"):
        for letter, other in (("a", "c"), ("b", "d")):
            for file in sorted((folder / part / letter).iterdir())[1::2]:
                (folder / part / other).mkdir(exist_ok=True)
                file.rename(folder / part / other / file.name)
    stream = official(name="cifar10", tasks=2)
    assert (str(stream.name), stream.identity) == ("official(name=cifar10, tasks=2)", "official:cifar10:2")
    assert [(task.name, task.num_classes, str(task.kind)) for task in stream] == [
        ("cifar10-1of2", 2, "binary"),
        ("cifar10-2of2", 2, "binary"),
    ]
    for split, whole in ((Split.TRAIN, pixels[:16]), (Split.TEST, pixels[16:])):
        held = [task.load(split) for task in stream]
        assert sorted(bytes(image) for part in held for image in part.images) == sorted(map(bytes, whole))
        assert all(set(part.labels) == {0, 1} for part in held)
    (all_of_it,) = official(name="cifar10")
    known = {bytes(image): label for image, label in zip(*_pair(all_of_it.load(Split.TRAIN)), strict=True)}
    for k, task in enumerate(stream):
        images, labels = _pair(task.load(Split.TRAIN))
        assert all(known[bytes(image)] == label + 2 * k for image, label in zip(images, labels, strict=True))


def _pair(held):
    return held.images, held.labels


@pytest.mark.parametrize("tasks", [0, 3, 10])
def test_classes_that_cannot_be_shared_out_are_refused(tasks):
    with pytest.raises(UserError, match=f"tasks={tasks}.*10 classes; expected a number of tasks that shares them out"):
        official(name="mnist", tasks=tasks)
