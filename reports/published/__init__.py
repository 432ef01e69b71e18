"""Numbers of papers beside ours."""
