"""Where do pretrained weights come from, and are they what they claim to be? Files of tensors, read and checked."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.compute.backbone import Origin
from harness.core.errors import UserError
from harness.learning.pretraining import pretraining_of


def sha256_of(path: Path) -> str:
    """SHA-256 of the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_tensors(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes: for weights that a library reads without showing their file."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@cache
def pretraining_facts(path: Path) -> Mapping[str, Any]:
    """What a weights file tells of its pretraining: nothing, unless ``harness pretrain`` made it."""
    try:
        return pretraining_of(path)
    except UserError:
        return {}


def existing(text: str, backbone: str) -> Path:
    """The weights file named ``text``.

    Raises:
        UserError: there is no such file.
    """
    path = Path(text).expanduser()
    if not path.is_file():
        raise UserError(
            f"backbone {backbone!r}: no weights file {text!r}; expected a state_dict saved by torch.save or "
            "safetensors; write weights=none for random weights"
        )
    return path


def own_file(text: str) -> Origin:
    """The origin of weights in a file that a person named ``text``, of which nothing else is known."""
    return Origin(source="a file of your own", file=Path(text).expanduser())


def read_tensors(path: Path, backbone: str) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file or of a state_dict written by ``torch.save``, on the CPU.

    Raises:
        UserError: the file is truncated, holds something else, or would need code to be run.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Zip, pickle and header errors share no class.
        reason = str(error).partition("\n")[0][:120]
        raise UserError(
            f"backbone {backbone!r}: cannot read weights file {str(path)!r} ({type(error).__name__}: {reason}); it may "
            "be truncated: expected a state_dict saved by torch.save or safetensors"
        ) from error
    # Training scripts and `harness pretrain` may keep the weights beside other values.
    inner = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(inner, dict) or not inner or not all(isinstance(value, Tensor) for value in inner.values()):
        raise UserError(f"backbone {backbone!r}: {str(path)!r} holds no state_dict of tensors")
    return dict(inner)


def load_body(body: nn.Module, state: Mapping[str, Tensor], *, ignore: str, backbone: str, path: Path) -> None:
    """Fill ``body`` with ``state``, whose entries below the classifier ``ignore`` are left out.

    Raises:
        UserError: names or shapes differ: the file belongs to another net.
    """
    prefix = f"{ignore}."
    kept = {name: value for name, value in state.items() if not (ignore and name.startswith(prefix))}
    try:
        body.load_state_dict(kept)
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines()[1:] if line.strip()), str(error))
        raise UserError(
            f"backbone {backbone!r}: the weights in {str(path)!r} belong to another net: {first[:200]}"
        ) from error
