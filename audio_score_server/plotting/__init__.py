"""A recording over against its clip, as a picture for people."""
