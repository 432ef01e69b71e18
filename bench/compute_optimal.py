"""Which share of the FLOPs should stay at which budget? ``python -m bench.compute_optimal DIR [--write]``.

Fits the rule of ``compute_optimal`` on finished runs of ``bench/compute_optimal.toml``: for each family, of all ways to
choose a share at each budget so that it never falls as the budget grows, the one with the least mean error. The dense
net is a share of 1. ``--write`` puts the rule, and the errors behind it, where the strategy reads it.
"""

import argparse
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from harness.config.notation import parse
from harness.core.budget import Budget
from harness.core.errors import UserError
from harness.storage.records import read_log

TARGET = Path(__file__).parents[1] / "strategies" / "compute_optimal.toml"
FAMILIES = {"filter": "filter_pruned", "channel": "channel_pruned", "ot": "ot_fused"}
COMMAND = "harness run bench/compute_optimal.toml --out DIR; python -m bench.compute_optimal DIR --write"

Errors = Mapping[tuple[str, float, float], float]
"""Mean error over tasks by strategy, share and budget in epochs."""


def errors(folder: Path) -> tuple[Errors, dict[str, Any]]:
    """Mean errors of the runs in ``folder``, and what they have in common.

    Raises:
        UserError: there is no finished run, or a task was not learnt in every one, so that means do not compare.
    """
    found: dict[tuple[str, float, float], list[float]] = {}
    scored: set[tuple[str, ...]] = set()
    facts: dict[str, Any] = {}
    for manifest in sorted(folder.rglob("run.json")):
        run = json.loads(manifest.read_text(encoding="utf-8"))
        if run["status"] != "done":
            continue
        written, spec = parse(run["spec"]["strategy"]), run["spec"]
        rows = [r for r in read_log(manifest.with_name("events.jsonl")).records if r.get("metric") == "error"]
        scored.add(tuple(row["task"] for row in rows))
        key = (written.name, float(written.options.get("flops", 1.0)), Budget.parse(spec["budget"]).epochs)
        found.setdefault(key, []).append(fmean(row["value"] for row in rows))
        setting = spec["setting"]
        facts = {
            "stream": spec["stream"],
            "fingerprint": spec["fingerprint"],
            "backbone": setting["backbone"],
            "size": setting["size"],
            "split": setting["scoring"],
            "commit": run["code"]["commit"],
        }
    if len(scored) != 1:
        raise UserError(f"{folder}: {len(scored)} different sets of scored tasks in its finished runs; expected one")
    return {key: fmean(values) for key, values in found.items()}, facts


def rule(table: list[list[float]]) -> list[int]:
    """The column for each row of errors, never falling from row to row, with the least sum; on a tie the larger."""
    columns = range(len(table[0]))
    choices = itertools.combinations_with_replacement(columns, len(table))
    return list(min(choices, key=lambda chosen: (sum(map(list.__getitem__, table, chosen)), [-c for c in chosen])))


def written(found: Errors, facts: Mapping[str, Any]) -> str:
    """The rule as TOML."""
    lines = [
        "# Which share of the dense net's FLOPs stays at which budget (in epochs), and the mean errors behind it:",
        "# a row for each budget, a column for each share that was tried. Written by the command below.",
        f'command = "{COMMAND}"',
        *(f"{name} = {json.dumps(value)}" for name, value in facts.items()),
    ]
    budgets = sorted({budget for _, _, budget in found})
    for family, strategy in FAMILIES.items():
        tried = [*sorted({share for name, share, _ in found if name == strategy}), 1.0]
        try:
            table = [[found[strategy if share < 1 else "finetune", share, at] for share in tried] for at in budgets]
        except KeyError as error:
            raise UserError(f"there is no finished run of (strategy, share, budget) {error}; run the suite") from error
        shares = [tried[column] for column in rule(table)]
        rows = [f"[{', '.join(f'{error:.4f}' for error in row)}]" for row in table]
        lines += [f"\n[{family}]", f"budgets = {budgets}", f"shares = {shares}", f"tried = {tried}"]
        lines += ["errors = [", *(f"    {row}," for row in rows), "]"]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.compute_optimal", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name}")
    asked = parser.parse_args()
    try:
        text = written(*errors(asked.folder))
    except UserError as error:
        parser.error(str(error))
    print(text, end="")
    if asked.write:
        TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
