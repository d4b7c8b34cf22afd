"""Score a recording, and look into the library: ``python examples/python_client.py RECORDING``.

AUDIO_SCORE_SERVER is the server's address, AUDIO_SCORE_API_KEY its key where it wants one.
"""

from __future__ import annotations

import os
import sys

from audio_score_client import AudioRejected, AudioScoreClient, AudioScoreClientError, UnknownClip

UID, CID = "RiverTales-s01e01", "part01"


def main(recording: str) -> int:
    """Print what the server says of a recording; the exit code."""
    server = os.environ.get("AUDIO_SCORE_SERVER", "http://localhost:9000")
    with AudioScoreClient(server, timeout_s=30) as client:
        for clip in client.clips(UID):
            print(f"{clip.uid}/{clip.cid}: {clip.text}")
        try:
            score = client.score(recording, UID, CID, detail=True)
        except AudioRejected as error:
            print(f"Record again: {error.detail}", file=sys.stderr)
            return 1
        except UnknownClip as error:
            print(error.detail, file=sys.stderr)
            return 1
        except AudioScoreClientError as error:
            # The server is not there, has no time, or has a fault: it was tried again already.
            print(f"No score now: {error}", file=sys.stderr)
            return 1
    print(f"{score.sim_score:.3f} by {score.model}")
    assert score.detail is not None  # it was asked for
    for word in score.detail.words:
        heard = " ".join(word.heard)
        print(f"  {word.text:10} {word.score:.2f} {word.status} {heard}".rstrip())
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
