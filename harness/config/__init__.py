"""From what a person writes to objects: notation, options, names, suites."""
