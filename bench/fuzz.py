"""Uploads that are damaged in every way: does the server answer each, and stay as small as it was?

    python -m bench.fuzz [--seed N] [--uploads N] [--first I] [--faults FOLDER]

One short recording, in some forty formats, is cut, flipped, spliced, lied about and joined, and
posted to a server of the phones model, one after the other; every eighth asks for reasons. A 5xx,
a connection without an answer and a late answer are faults: each is printed with its number, its
upload is saved, and the exit code is 1. An upload follows from the seed and its number:
``--first I --uploads 1`` sends number I again. Printed is a row for each twentieth of the uploads:
answers by status so far, and what the server holds. Resident memory should be level after the
first rows.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tqdm import tqdm

from bench import options
from bench.demo import DEMO_CLIPS, DEMO_RECORDINGS, ids
from bench.fuzz_files import whole_files
from bench.fuzz_mutations import damaged
from bench.measure import show
from bench.server import Server, phones_server

_BOUNDARY: Final = "boundary-of-the-fuzz-that-no-upload-holds"
_DETAIL_EVERY: Final = 8
_LOOKS: Final = 20
_MOST_SHOWN: Final = 200
_LATE_S: Final = 1.0
"""How much later than the server's own deadline an answer may come."""
_PATIENCE_S: Final = 60.0
"""Later than that there is none."""
_NO_ANSWER: Final = "no answer"
_LATE: Final = "late"


@dataclass(frozen=True, slots=True)
class Upload:
    """What is posted.

    Attributes:
        number: with the seed, all that it follows from.
        data: the file.
        detail: the form field.
    """

    number: int
    data: bytes
    detail: str

    @classmethod
    def of(cls, seed: int, number: int, files: Sequence[bytes]) -> Upload:
        """The upload of a number."""
        chance = Random(f"{seed}/{number}")
        return cls(number, damaged(chance, files), "" if number % _DETAIL_EVERY else "full")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an upload: a status, ``late`` or ``no answer``; and the answer's text."""

    kind: str
    text: str

    @property
    def is_fault(self) -> bool:
        """Whether no recording whatever should have this outcome."""
        return not self.kind.startswith(("2", "4"))


class Poster:
    """Posts uploads to a server on the loopback address, over one connection while it lasts."""

    def __init__(self, port: int, deadline_s: float) -> None:
        """``deadline_s``: within which the server means to answer."""
        self._port, self._deadline_s = port, deadline_s
        self._connection = self._fresh()
        self._uid, self._cid = ids(sorted(DEMO_RECORDINGS.glob("*_right.*"))[0].name)

    def _fresh(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(
            "127.0.0.1", self._port, timeout=self._deadline_s + _PATIENCE_S
        )

    def post(self, upload: Upload) -> Outcome:
        """Post one upload and wait for what becomes of it."""
        started = time.monotonic()
        headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        try:
            self._connection.request("POST", "/score", self._form(upload), headers)
            answer = self._connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._connection = self._fresh()
            return Outcome(_NO_ANSWER, repr(error))
        seconds = time.monotonic() - started
        if seconds > self._deadline_s + _LATE_S:
            return Outcome(_LATE, f"{answer.status} after {seconds:.1f} s: {text}")
        return Outcome(str(answer.status), text)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _form(self, upload: Upload) -> bytes:
        fields = {"uid": self._uid, "cid": self._cid, "detail": upload.detail}
        disposition = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; name="
        head = "".join(
            f'{disposition}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
        )
        head += f'{disposition}"audio"; filename="recording"\r\n\r\n'
        return head.encode() + upload.data + f"\r\n--{_BOUNDARY}--\r\n".encode()


def main() -> None:
    """Command line."""
    parser = options.parser(__doc__)
    parser.add_argument("--seed", type=int, default=1, help="All damage follows from it.")
    parser.add_argument("--uploads", type=int, default=100_000, help="How many.")
    parser.add_argument("--first", type=int, default=0, help="Number of the first.")
    parser.add_argument("--deadline-s", type=float, default=10.0, help="When an answer is late.")
    parser.add_argument(
        "--faults", type=Path, default=Path("fuzz-faults"), help="Folder for what fails."
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-fuzz-") as scratch:
        variables = {
            "AUDIO_SCORE_REQUEST_TIMEOUT_S": str(arguments.deadline_s),
            "AUDIO_SCORE_LOG_LEVEL": "warning",
        }
        with phones_server(DEMO_CLIPS, Path(scratch) / "cache", variables) as server:
            faults = _fuzz(server, arguments)
    sys.exit(1 if faults else 0)


def _fuzz(server: Server, arguments: argparse.Namespace) -> int:
    """Send every upload; the number of faults."""
    poster = Poster(server.port, arguments.deadline_s)
    counts: Counter[str] = Counter()
    faults, looks = 0, []
    pause = max(1, arguments.uploads // _LOOKS)
    for sent, upload in enumerate(_uploads(arguments), 1):
        outcome = poster.post(upload)
        counts[outcome.kind] += 1
        if outcome.is_fault:
            faults += 1
            _keep(upload, outcome, arguments)
        if not server.running:
            print(server.failure("The server has ended"))
            break
        if sent % pause == 0 or sent == arguments.uploads:
            looks.append((sent, counts.copy(), *server.held()))
            tqdm.write(f"{sent}: {dict(counts)}, {looks[-1][2]:.0f} MiB", file=sys.stderr)
    poster.close()
    _show(arguments.seed, faults, looks)
    return faults


def _uploads(arguments: argparse.Namespace) -> Iterator[Upload]:
    files = list(whole_files().values())
    numbers = range(arguments.first, arguments.first + arguments.uploads)
    for number in tqdm(numbers, desc="uploads", file=sys.stderr):
        yield Upload.of(arguments.seed, number, files)


def _keep(upload: Upload, outcome: Outcome, arguments: argparse.Namespace) -> None:
    """Save what failed, and tell how to send it again."""
    arguments.faults.mkdir(parents=True, exist_ok=True)
    path = arguments.faults / f"seed{arguments.seed}-{upload.number}.bin"
    path.write_bytes(upload.data)
    again = f"--seed {arguments.seed} --first {upload.number} --uploads 1"
    tqdm.write(f"FAULT {outcome.kind}: {path} ({again}): {outcome.text[:_MOST_SHOWN]}", sys.stdout)


def _show(
    seed: int, faults: int, looks: Sequence[tuple[int, Counter[str], float, int, int]]
) -> None:
    kinds = sorted({kind for _, counts, *_ in looks for kind in counts})
    rows = [
        [str(sent), *(str(counts[kind]) for kind in kinds), f"{rss:.1f}", str(files), str(threads)]
        for sent, counts, rss, files, threads in looks
    ]
    header = ["uploads", *kinds, "RSS MiB", "descriptors", "threads"]
    show(f"Damaged uploads, seed {seed}: {faults} faults", header, rows)


if __name__ == "__main__":
    main()
