"""What are results held against? Published numbers, other people's bundles, and the claims of papers, all at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.boards.board import Board, boards
from reports.boards.naming import short_titles
from reports.claims.verdicts import claims_table
from reports.published.answer import answer, references_text
from reports.published.baselines import chosen
from reports.published.compare import compared
from reports.published.every_number import every_number
from reports.published.references import Reference, beside
from reports.reading.bundle import SUFFIX
from reports.reading.frame import read
from reports.reading.shipped import REFERENCE, shipped
from reports.tables.table import Table


@dataclass(frozen=True)
class Comparison:
    """What :func:`comparison` found: a table for each kind of thing that results are held against.

    Attributes:
        claims: of each board its title and its table of claims; none where baselines were asked for by name.
    """

    published: Table
    references: Table
    claims: tuple[tuple[str, Table], ...]
    known: str

    def answer(self, *, named: str = "DIR") -> str:
        """The comparison in 100 columns, what can be compared first; ``named`` is how the results are typed."""
        return answer(self.published, self.references, self.claims, named=named, known=self.known)

    def every_number(self) -> str:
        """Every published number in 100 columns: comparable or why not, what would change that and what it costs."""
        return "\n\n".join(
            part for part in (every_number(self.published), references_text(self.references.frame, most=None)) if part
        )


def comparison(given: Sequence[Path], baselines: Sequence[str] = ()) -> Comparison:
    """Results in ``given`` (folders and bundles) beside ``baselines``.

    Args:
        baselines: ids from ``harness list baselines``, ``.toml`` files of numbers, and bundles; if empty, all published
            numbers, the reference results that come along, and the claims of papers.

    Raises:
        UserError: one of them does not exist or is damaged.
    """
    frames = read([Path(path) for path in given])
    bundles = [Path(name) for name in baselines if name.endswith(SUFFIX)]
    ids = [name for name in baselines if not name.endswith(SUFFIX)]
    ours = boards(frames)
    if not baselines:
        mine = {Path(path).resolve() for path in given}
        bundles = [path for path in shipped()[REFERENCE] if path.resolve() not in mine]
    references = [Reference(path.name.removesuffix(SUFFIX), tuple(boards(read([path])))) for path in bundles]
    return Comparison(
        compared(frames, chosen(ids) if ids or not baselines else []),
        beside(ours, references),
        () if baselines else tuple(zip(short_titles(ours), map(claims_table, ours), strict=True)),
        _known(ours, references),
    )


def _known(ours: Sequence[Board], references: Sequence[Reference]) -> str:
    """What a person would run to have a cell that a reference has, where there is none."""
    offered = [(reference.name, board) for reference in references for board in reference.boards]
    if not offered or not ours:
        return ""
    nets = {str(board.setting["backbone"]) for board in ours}
    name, board = next(((n, b) for n, b in offered if str(b.setting["backbone"]) in nets), offered[0])
    return (
        f"None of your cells is in the reference results. {name} has {', '.join(board.budgets)} on "
        f"{board.setting['stream']} with {board.setting['backbone']} at {board.setting['size']} px: run one of its "
        f"cells with 'harness run default --stream {str(board.setting['stream'])!r} --backbone "
        f"{str(board.setting['backbone'])!r} --size {board.setting['size']} --budget {board.budgets[0]} --seeds 1'."
    )
