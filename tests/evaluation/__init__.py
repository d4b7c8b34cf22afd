"""Tests of ``audio-score evaluate``."""
