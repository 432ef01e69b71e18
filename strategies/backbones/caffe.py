"""What does a Caffe model file hold? The blobs of its layers by name, read off the protobuf wire format.

Of ``NetParameter`` (caffe.proto) only what weights need is read: layers (field 100), their name (1) and blobs (7); of a
blob its shape (7) and its values (5), packed or not.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.core.errors import UserError

Blob = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def caffe_blobs(path: Path) -> dict[str, list[Blob]]:
    """float32 blobs of each layer that has some, in the order of the file.

    Raises:
        UserError: it is no Caffe model, or is truncated.
    """
    try:
        found: dict[str, list[Blob]] = {}
        for field, layer in _fields(memoryview(path.read_bytes())):
            if field == 100 and isinstance(layer, memoryview):
                name, blobs = _layer(layer)
                if blobs:
                    found[name] = blobs
    except (IndexError, ValueError, struct.error) as error:
        raise UserError(f"{path} is no Caffe model, or is truncated: {error}") from error
    if not found:
        raise UserError(f"{path} holds no layers with weights: expected a Caffe model (NetParameter)")
    return found


def _layer(message: memoryview) -> tuple[str, list[Blob]]:
    name, blobs = "", []
    for field, value in _fields(message):
        if isinstance(value, memoryview):
            if field == 1:
                name = bytes(value).decode()
            elif field == 7:
                blobs.append(_blob(value))
    return name, blobs


def _blob(message: memoryview) -> Blob:
    shape: list[int] = []
    values = b""
    for field, value in _fields(message):
        if isinstance(value, memoryview):
            if field == 7:
                shape = [n for inner, dims in _fields(value) if inner == 1 for n in _integers(dims)]
            elif field == 5:
                values += value
    return np.frombuffer(values, np.dtype("<f4")).reshape(shape)


def _integers(value: memoryview | int) -> Iterator[int]:
    """One integer, or many that were packed."""
    if isinstance(value, int):
        yield value
        return
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        yield number


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field: an int for a varint, else its bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            number, at = _varint(message, at)
            yield field, number
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in (_EIGHT, _FOUR):
            length = 8 if kind == _EIGHT else 4
        else:
            raise ValueError(f"field {field} has wire type {kind}")
        if at + length > len(message):
            raise ValueError(f"field {field} ends behind the end of the file")
        yield field, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
