"""What do the processes of runs share? They are forked from one that has imported this, and with it what they need."""

import os
import signal
from contextlib import suppress

# Ctrl-C is for the process that planned the runs; it tells the others.
signal.signal(signal.SIGINT, signal.SIG_IGN)

import harness.running.worker  # noqa: E402, F401
from harness.config.registry import loaded  # noqa: E402
from harness.running.messages import PRELOAD  # noqa: E402

for name in os.environ.get(PRELOAD, "").split():
    # What cannot be imported says so in the process that plans, or in the run that needs it.
    with suppress(Exception):
        loaded(name)
