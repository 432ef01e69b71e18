"""How runs are carried out: one process each, on one machine or a cluster."""
