"""What leaves the house: report folders, texts filled with numbers, bundles."""
