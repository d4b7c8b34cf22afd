"""Whisper checkpoints: one encoder pass for features and transcript both.

Encoding (``windowed_encoder``): ``windows`` cuts what is too long for one pass, ``frontend`` makes
log-mel spectrograms, ``encoder`` is one pass. Transcribing (``transcriber``): ``decoder`` is one
pass over tokens, ``passes`` brings it to the device, ``drafting`` guesses how a transcript goes on,
``greedy`` has the guesses verified, ``hallucination`` tells what was made up, ``vocabulary`` turns
text to tokens and back. A ``checkpoint`` has all of these; models share it.
"""
