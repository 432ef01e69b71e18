"""How it is learnt: one file per strategy; pruning and transport as plain functions."""
