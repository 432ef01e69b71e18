"""What is learnt: task tables, data sources, emulated domains."""
