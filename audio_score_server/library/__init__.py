"""Where reference clips are: found, read and kept."""
