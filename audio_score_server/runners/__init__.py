"""Models, each behind the same small interface."""
