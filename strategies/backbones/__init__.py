"""What every strategy starts from: nets with their weights, and where those came from."""
