"""One model's path from an uploaded recording to a score."""
