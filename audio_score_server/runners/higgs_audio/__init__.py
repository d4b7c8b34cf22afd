"""The audio tower of Higgs-Audio checkpoints, with a Whisper checkpoint for transcripts."""
