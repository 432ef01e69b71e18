"""What does it mean? Tables, figures, published baselines and claims, made from run folders without torch."""
