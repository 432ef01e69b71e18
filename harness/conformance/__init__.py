"""Does a strategy keep the contract? Promises, each tried on real runs."""
