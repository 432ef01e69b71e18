"""The strategy keeps the contract of nevis-harness, and its options are read from its written form."""

from harness.config.registry import make
from harness.conformance.promises import conformance


def test_it_keeps_every_promise() -> None:
    assert [answer for answer in conformance("half_frozen") if not answer.holds] == []


def test_its_options_are_read_from_its_written_form() -> None:
    made = make("strategies", "half_frozen(share=0.3, lr=0.01)")
    assert (made.share, made.recipe.lr) == (0.3, 0.01)
