"""Numbers in, numbers out: intervals, scores and laws. Knows no runs."""
