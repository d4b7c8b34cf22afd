"""How often faults of clips are found, and seen where there are none.

    python -m bench.clips_check [--shared FOLDER] [--recordings N]

Texts: real readings with their own text, and with that of another (``--shared``: the folder with
``speech/`` and ``native/``). Backgrounds: noise, hum, music and babble, made as for the training of
the phone encoder, under real readings at known signal-to-noise ratios, by the voice's own power
while it speaks.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from audio_score_server.audio.decode import DecodeLimits, decode
from audio_score_server.audio.vad import VAD_STEP, VoiceActivityDetector
from audio_score_server.domain import FloatArray, Utterance, Waveform
from audio_score_server.library_check.sound import check_sound
from audio_score_server.runners.phones.runner import PhonesRunner
from audio_score_server.settings import PhonesSettings, Settings
from bench import options
from bench.measure import progress, show
from training.noise import make_noises

_RATE: Final = 16_000
_LIMITS: Final = DecodeLimits(_RATE, 0.1, 120.0)
_LONGEST: Final = 6 * _RATE
_RATIOS_DB: Final = (20, 15, 10, 5, 0)
_KINDS: Final = {"noise": (0, 1), "hum": (2,), "music": (3, 4), "babble": (5,)}
"""Places of each kind among six of ``make_noises``."""
_NOISES: Final = 24
Reading = tuple[FloatArray, str]


def main() -> None:
    """Command line."""
    parser = options.parser(__doc__)
    add = parser.add_argument
    add("--shared", type=Path, default=Path("../shared"), help="Folder of the recordings.")
    add("--recordings", type=options.count, default=100, help="Most of each kind.")
    arguments = parser.parse_args()
    shared, most = arguments.shared, arguments.recordings
    runner = PhonesRunner(Settings(models=(PhonesSettings(key="phones", type="phones"),)))
    learners = _readings(shared / "speech", ("manifest.csv", "human.csv"), "", most)
    natives = _readings(shared / "native", ("manifest.csv",), "dev/", most)
    found = [
        [name, str(len(readings)), *_text_errors(runner, readings)]
        for name, readings in (("learners", learners), ("natives", natives))
    ]
    show(
        "Texts that are told not to fit, of right and of other ones",
        ("readers", "readings", "right told", "wrong passed"),
        found,
    )
    rows = [["none, learners", "", *_rates(runner, learners, lambda sound: sound)]]
    rows += [["none, natives", "", *_rates(runner, natives, lambda sound: sound)]]
    chance = np.random.default_rng(0)
    made = make_noises(_NOISES, [sound for sound, _ in natives], chance)
    for kind, places in _KINDS.items():
        noises = [each for place, each in enumerate(made) if place % 6 in places]
        for ratio_db in _RATIOS_DB:
            add_noise = _mixer(noises, ratio_db)
            rows.append([kind, f"{ratio_db} dB", *_rates(runner, natives, add_noise)])
    show(
        "Readings of at most 6 s that are told to have a background",
        ("background", "voice over it", "noise", "music", "either"),
        rows,
        left=2,
    )


def _readings(folder: Path, lists: Sequence[str], begin: str, most: int) -> list[Reading]:
    rows = []
    for name in lists:
        with (folder / name).open(encoding="utf-8", newline="") as stream:
            rows += [row for row in csv.DictReader(stream) if row["file"].startswith(begin)]
    step = max(1, len(rows) // most)
    return [
        (decode((folder / row["file"]).read_bytes(), _LIMITS).samples, row["text"])
        for row in progress(rows[::step][:most], "decoding")
    ]


def _codes(runner: PhonesRunner, sound: FloatArray, text: str) -> set[str]:
    waveform = Waveform(sound, _RATE)
    (encoding,) = runner.run([Utterance(runner.prepare(waveform), runner.expected(text))])
    return {finding.code for finding in check_sound("clip", waveform, encoding, has_text=True)}


def _text_errors(runner: PhonesRunner, readings: Sequence[Reading]) -> list[str]:
    right = wrong = 0
    for place, (sound, text) in enumerate(progress(readings, "texts")):
        other = readings[(place + len(readings) // 2) % len(readings)][1]
        right += "text_mismatch" in _codes(runner, sound, text)
        wrong += "text_mismatch" not in _codes(runner, sound, other)
    return [f"{right / len(readings):.3f}", f"{wrong / len(readings):.3f}"]


def _rates(
    runner: PhonesRunner, readings: Sequence[Reading], change: Callable[[FloatArray], FloatArray]
) -> list[str]:
    told = [
        _codes(runner, change(sound[:_LONGEST]), text)
        for sound, text in progress(readings, "backgrounds")
    ]
    return [
        f"{sum(bool(codes & wanted) for codes in told) / len(told):.2f}"
        for wanted in ({"noise"}, {"music"}, {"noise", "music"})
    ]


def _mixer(noises: Sequence[FloatArray], ratio_db: float) -> Callable[[FloatArray], FloatArray]:
    """Puts the noises, in turn, under voices; each time the same ones."""
    chance = np.random.default_rng(1)

    def mix(voice: FloatArray) -> FloatArray:
        noise = np.roll(noises[int(chance.integers(len(noises)))], int(chance.integers(10 * _RATE)))
        noise = np.resize(noise, len(voice))
        detector = VoiceActivityDetector()
        speech = np.concatenate([detector.feed(voice), detector.finish()]) > 0.5
        spoken = voice[np.repeat(speech, VAD_STEP)[: len(voice)]]
        power = np.square(spoken if len(spoken) else voice).mean()
        scale = np.sqrt(power / np.square(noise).mean()) * 10 ** (-ratio_db / 20)
        mixed = voice + scale * noise
        return np.asarray(mixed * min(1.0, 0.9 / np.abs(mixed).max()), np.float32)

    return mix


if __name__ == "__main__":
    main()
