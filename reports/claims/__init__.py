"""Published statements, and what the runs say of them."""
