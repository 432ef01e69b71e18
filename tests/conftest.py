"""What every test may use: the small plugins, one thread, and the command line as a person calls it."""

import io
import os
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

# Started in the background, by a shell, we ignore Ctrl-C; what we start would as well, and some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, str(Path(__file__).parent / "plugins"))

from command import Harness, Said  # noqa: E402  (the folder is put on the path above)


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """The command line in this process; its runs are processes of their own, as always."""
    from harness.cli import main

    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, code: int = 0) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = Said(out.getvalue(), err.getvalue())
        assert left.value.code == code, f"{arguments} left with {left.value.code}:\n{said.stdout}\n{said.stderr}"
        return said

    return call
