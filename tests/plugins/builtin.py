"""Every strategy that is registered, as a test writes it: what all of them must do is tested on each."""

from harness.registry import entries

NEEDED: dict[str, str] = {}
"""Options without which a strategy cannot be made."""

BUILT_IN = [f"{name}({NEEDED[name]})" if name in NEEDED else name for name in entries("strategies")]
