"""Sound in: bytes to waveforms."""
