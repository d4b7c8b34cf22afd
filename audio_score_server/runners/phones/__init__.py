"""The small phone encoder that ships in the package."""
