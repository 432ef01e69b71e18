"""What can be compared with what, and which strategies and gains are on it."""
