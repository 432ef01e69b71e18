"""Images on disk: read, split, prepared once into checksummed arrays."""
