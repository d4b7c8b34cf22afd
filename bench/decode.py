"""Decoding by format, against pydub.

    python -m bench.decode [--repeats N]

One demo recording, looped to four seconds and encoded in each format, is decoded to mono at 16 kHz
in memory: by the package, and by pydub with the format named, which is its fastest way. Printed are
the medians in milliseconds and how many times as long pydub takes. Without the system's ffmpeg
pydub reads WAV alone.
"""

from __future__ import annotations

import io
import shutil
import warnings
from collections.abc import Callable
from functools import partial
from typing import Final

from audio_score_server.audio.decode import decode
from bench import options
from bench.demo import DEMO_RECORDINGS
from bench.measure import median, ms, progress, show, timed
from bench.recordings import FORMATS, SECONDS, demo_sound, encode
from bench.spoken import LIMITS, RATE

_LARGEST_DIFFERENCE_S: Final = 0.1


def main() -> None:
    """Command line."""
    parser = options.parser(__doc__)
    parser.add_argument("--repeats", type=options.count, default=25, help="Calls that count, each.")
    arguments = parser.parse_args()
    sound = demo_sound(sorted(DEMO_RECORDINGS.glob("*_right.*"))[0])
    rows = [
        _row(ending, encode(sound, ending), arguments.repeats)
        for ending in progress(FORMATS, "formats")
    ]
    show(
        f"Decoding {SECONDS:g} s to mono at 16 kHz, median of {arguments.repeats}",
        ("format", "KiB", "ours ms", "lowest", "highest", "pydub ms", "pydub / ours"),
        rows,
    )


def _row(ending: str, data: bytes, repeats: int) -> list[str]:
    ours = timed(partial(decode, data, LIMITS), repeats, warm_ups=2)
    row = [ending, f"{len(data) / 1024:.0f}", ms(median(ours)), ms(min(ours)), ms(max(ours))]
    if ending != "wav" and shutil.which("ffmpeg") is None:
        return [*row, "-", "-"]
    with_pydub = _pydub_decoder(data, ending)
    _compare_lengths(decode(data, LIMITS).seconds, with_pydub(), ending)
    theirs = timed(with_pydub, repeats)
    return [*row, ms(median(theirs)), f"{median(theirs) / median(ours):.1f}"]


def _pydub_decoder(data: bytes, ending: str) -> Callable[[], float]:
    """Decodes with pydub and tells the seconds of sound it found."""
    with warnings.catch_warnings():
        # pydub warns at import where there is no ffmpeg.
        warnings.simplefilter("ignore")
        from pydub import AudioSegment

    def decode_with_pydub() -> float:
        segment = AudioSegment.from_file(io.BytesIO(data), format=ending)
        return float(segment.set_channels(1).set_frame_rate(RATE).duration_seconds)

    return decode_with_pydub


def _compare_lengths(ours: float, theirs: float, ending: str) -> None:
    """Two decoders that find different amounts of sound are not doing the same work."""
    if abs(ours - theirs) > _LARGEST_DIFFERENCE_S:
        raise RuntimeError(f"{ending}: the package found {ours:.2f} s, pydub {theirs:.2f} s")


if __name__ == "__main__":
    main()
