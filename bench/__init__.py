"""How fast are we, beside others doing the same work? Each row is one command: ``python -m bench ROW``."""
