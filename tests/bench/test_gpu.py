"""The script for a card runs from end to end without one."""

from bench.gpu import DRY, table


def test_a_dry_run_fills_every_part_of_the_table() -> None:
    text = "\n".join(table(DRY))
    parts = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    assert len(parts) == 6
    for title, part in parts.items():
        assert len([line for line in part.splitlines() if line.startswith("|")]) > 2, title
    loops = [line.split(" | ")[1] for line in parts["Loops"].splitlines() if line.startswith("| torchvision:resnet18")]
    assert loops == ["bare", "ours", "CUDA graph by hand", "Avalanche"]
    assert "| `ridge` | equal |" in parts["FLOPs and errors beside those of a CPU"]
    assert "| `ridge` | kept |" in parts["The contract"]
    assert "Not measured any further" not in text
