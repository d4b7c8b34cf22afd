"""Whisper checkpoints: one encoder pass for features and transcript both.

The ear (``hearing``): ``windows`` cuts what is too long for one pass, ``frontend`` makes log-mel
spectrograms, ``encoder`` hears. The ``scribe``: ``decoder`` is one pass over tokens, ``passes``
brings it to the device, ``drafting`` guesses how a transcript goes on, ``greedy`` has the guesses
verified, ``vocabulary`` turns text to tokens and back. A ``checkpoint`` has all of these; models
share it.
"""
