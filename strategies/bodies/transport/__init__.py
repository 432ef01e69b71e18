"""Optimal transport between the units of a net: costs, plans, and weights moved by a plan. Plain functions."""
