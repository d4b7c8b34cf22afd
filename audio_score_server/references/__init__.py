"""The clips of the library and their cached features."""
