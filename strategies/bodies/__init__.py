"""What is made of the backbone once, before the tasks and without data."""
