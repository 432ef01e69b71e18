"""Nets as structures: which widths there are, which units count, and how units are taken away. Plain functions."""
