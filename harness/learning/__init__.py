"""How a task is learnt and scored: the strategy contract and the one training loop."""
