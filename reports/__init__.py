"""What it means: tables, figures, published baselines, claims. Imports neither torch nor the runner."""
