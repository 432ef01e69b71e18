"""Which generator emulates which domain? The one place where all 17 domains of the task table are mapped."""

from typing import Protocol

from streams.data.prepared import Array
from streams.emulation.draws import Draws
from streams.emulation.faces import Faces
from streams.emulation.fine_grained import FineGrained
from streams.emulation.glyphs import Glyphs
from streams.emulation.medical import Medical
from streams.emulation.objects import Objects
from streams.emulation.people import Crowds, People
from streams.emulation.quality import Quality
from streams.emulation.remote import RemoteSensing
from streams.emulation.scenes import Paintings, Scenes
from streams.emulation.signs import TrafficSigns
from streams.emulation.textures import Textures

VERSION = "1"
"""Raised whenever the same design begins to give other pixels."""


class Generator(Protocol):
    """A frozen dataclass whose fields are factors of variation; ``world`` names what its classes look like."""

    world: str
    classes: int

    def render(self, labels: Array, draws: Draws) -> Array:
        """uint8 (n, 64, 64, 1 or 3) for class indices (n,) or rows of labels (n, classes)."""
        ...


GENERATORS: dict[str, type] = {
    "OCR": Glyphs,
    "action": People,
    "animal face": FineGrained,
    "art": Paintings,
    "counting": Crowds,
    "face": Faces,
    "fine-grained object": FineGrained,
    "image-quality": Quality,
    "medical": Medical,
    "object": Objects,
    "remote-sensing": RemoteSensing,
    "scene": Scenes,
    "shape": Objects,
    "sketch": Objects,
    "texture": Textures,
    "traffic-sign": TrafficSigns,
    "wildlife camera": FineGrained,
}
