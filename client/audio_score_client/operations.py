"""Everything that can be asked of a server; both clients have these as methods."""

from __future__ import annotations

from audio_score_client.library import LibraryOperations
from audio_score_client.scoring import ScoringOperations
from audio_score_client.transcribing import TranscribingOperations


class Operations(ScoringOperations, TranscribingOperations, LibraryOperations):
    """Everything that can be asked of a server.

    Each method makes an operation: a generator of steps (``audio_score_client.steps``). The clients
    carry it out and return its result, or yield its items.

    All of them take ``timeout_s``, the longest time in seconds for all tries together; the client's
    own where left out, ``math.inf`` for no limit. All of them may raise:

    - ``AnsweredError`` by code and status: the server said what is wrong;
    - ``ConnectionLost``: no answer came, or half of one, however often it was tried;
    - ``DeadlineExceeded``: the time was up;
    - ``UnexpectedAnswer``: what answers is no Audio Score Server;
    - ``ValueError``, ``TypeError``: an argument cannot be, and nothing was sent;
    - ``OSError``: a file cannot be read or written.
    """
