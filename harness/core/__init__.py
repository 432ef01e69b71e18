"""Nouns and names: what everything else speaks of. Imports nothing of the harness."""
