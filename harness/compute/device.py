"""What does a process settle before it computes on a GPU? Which one, that results repeat, and what fp32 means there."""

import os

import torch


def settle(device: str) -> None:
    """Make ``device`` the one that this process computes on; nothing is done for a processor.

    Algorithms that give the same bits each time are taken wherever torch has them; of others it warns by name, once, in
    ``output.log`` of the run. ``fp32`` is IEEE single precision: TF32 keeps 10 bits of 23, and who wants speed asks for
    bf16.
    """
    place = torch.device(device)
    if place.type != "cuda":
        return
    # Read when cuBLAS is first used: without a workspace of its own a stream sums in another order now and then.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.cuda.set_device(place.index or 0)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # What is uninitialised is never read here; filling it costs a kernel for each new tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


class OutOfMemory(RuntimeError):
    """A GPU's memory did not hold a run."""


def out_of_memory(device: str) -> OutOfMemory:
    """The error that says what to do where the memory of ``device`` was full."""
    held = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return OutOfMemory(
        f"the memory of {device} was full, of which this run held at most {held / 2**30:.1f} GiB; "
        "run fewer at a time (--jobs), or choose a smaller batch_size or size"
    )
