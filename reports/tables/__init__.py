"""What is shown as rows and columns."""
