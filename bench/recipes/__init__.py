"""How is a recipe chosen? By one search for all bodies, on development data alone: ``python -m bench.recipes``."""
