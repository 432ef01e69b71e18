"""How a task is learnt on a body."""
