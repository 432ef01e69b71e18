"""What reaches the disk, and how it survives a crash."""
