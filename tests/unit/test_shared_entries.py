"""References that hosts share through a bucket: computed once, and never worse than alone."""

from __future__ import annotations

import asyncio
import io
import logging
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import obstore
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from audio_score_server.buckets.bucket import Bucket
from audio_score_server.buckets.shared_entries import CLAIM, ENTRY, BucketEntries
from audio_score_server.domain import Reference
from audio_score_server.errors import SilentAudio
from audio_score_server.library.clip import Clip, ClipId
from audio_score_server.references.build import ReferenceBuilder
from audio_score_server.references.entry import FEATURES, MANIFEST, TRANSCRIPT, EntryInvalid
from audio_score_server.references.shared import packed, shared_key, unpacked
from audio_score_server.references.sharing import SharedReferences
from audio_score_server.references.store import ReferenceStore
from audio_score_server.references.tensors import as_kept
from tests.buckets import IMPATIENT, BucketProxy, ByHand
from tests.support import MemorySource, make_reference, same_reference

_MADE_BY = ("runner", "settings")
_LEASE_S = 0.6


def _clip(cid: str = "1", text: str | None = "said", content: bytes = b"media") -> Clip:
    source = MemorySource()
    source.files[f"film_{cid}.wav"] = (content, "1", text)
    clip = source.find(ClipId("film", cid))
    assert clip is not None
    return clip


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def _entries(store: MemoryStore) -> BucketEntries:
    return BucketEntries(Bucket(store, "memory:///"), _LEASE_S)


def _keys(store: MemoryStore) -> list[str]:
    return [meta["path"] for chunk in obstore.list(store) for meta in chunk]


def test_what_is_packed_is_unpacked() -> None:
    clip, reference = _clip(), as_kept(make_reference())
    assert same_reference(unpacked(clip, _MADE_BY, packed(clip, _MADE_BY, reference)), reference)


def test_the_key_is_by_all_that_an_entry_is_made_from() -> None:
    clips = [_clip(), _clip(text="other"), _clip(text=None), _clip(content=b"other")]
    keys = {shared_key(clip, by) for clip in clips for by in (_MADE_BY, ("a", "b"))}
    assert len(keys) == 8
    # And by no more: other hosts have other files and times.
    assert shared_key(_clip("2"), _MADE_BY) == shared_key(_clip(), _MADE_BY)


@pytest.mark.parametrize(
    ("clip", "made_by"),
    [
        (_clip(text="other"), _MADE_BY),
        (_clip(content=b"other"), _MADE_BY),
        (_clip(), ("another", "settings")),
    ],
)
def test_an_entry_of_something_else_is_refused(clip: Clip, made_by: tuple[str, str]) -> None:
    content = packed(_clip(), _MADE_BY, make_reference())
    with pytest.raises(EntryInvalid, match="something else"):
        unpacked(clip, made_by, content)


@pytest.mark.parametrize("name", [FEATURES, TRANSCRIPT])
def test_an_entry_with_a_part_of_another_is_refused(name: str) -> None:
    parts = {}
    for seed in (0, 1):
        reference = make_reference(seed)
        said = replace(reference.transcript, text=f"words {seed}")
        content = packed(_clip(), _MADE_BY, replace(reference, transcript=said))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts[seed] = {each: archive.read(each) for each in archive.namelist()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for each, content in (parts[0] | {name: parts[1][name]}).items():
            archive.writestr(each, content)
    with pytest.raises(EntryInvalid, match="has changed"):
        unpacked(_clip(), _MADE_BY, stream.getvalue())


_PACKED = packed(_clip(), _MADE_BY, make_reference())


@given(st.integers(0, len(_PACKED) - 1), st.integers(1, 255))
def test_a_damaged_entry_is_refused_or_as_good(place: int, change: int) -> None:
    damaged = bytearray(_PACKED)
    damaged[place] ^= change
    try:
        found = unpacked(_clip(), _MADE_BY, bytes(damaged))
    except EntryInvalid:
        return
    # What nobody reads of a ZIP may be anything.
    assert same_reference(found, as_kept(make_reference()))


@given(st.integers(0, len(_PACKED) - 1))
def test_an_entry_that_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(EntryInvalid):
        unpacked(_clip(), _MADE_BY, _PACKED[:length])


@given(st.binary(max_size=200))
def test_what_is_no_entry_is_refused(content: bytes) -> None:
    with pytest.raises(EntryInvalid):
        unpacked(_clip(), _MADE_BY, content)


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_another_archive_is_refused(kind: int) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        archive.writestr(MANIFEST, b"{}")
        if kind == zipfile.ZIP_DEFLATED:
            archive.writestr("features.safetensors", bytes(10**6))
            archive.writestr("transcript.txt", b"")
    with pytest.raises(EntryInvalid, match=r"compressed|other files"):
        unpacked(_clip(), _MADE_BY, stream.getvalue())


def _held(claim: AbstractContextManager[None] | None) -> AbstractContextManager[None]:
    assert claim is not None
    return claim


def test_one_host_claims_at_a_time(store: MemoryStore) -> None:
    one, other = _entries(store), _entries(store)
    with _held(one.claim("key")):
        assert other.claim("key") is None
        assert one.claim("key") is None
        with _held(other.claim("another")):
            pass
    assert _keys(store) == []
    with _held(other.claim("key")):
        pass


def test_a_claim_that_is_renewed_is_not_taken_over(store: MemoryStore) -> None:
    one, other = _entries(store), _entries(store)
    with _held(one.claim("key")):
        for _ in range(3):
            before = bytes(obstore.get(store, f"key{CLAIM}").bytes())
            while bytes(obstore.get(store, f"key{CLAIM}").bytes()) == before:
                time.sleep(0.01)
            # However long ago it was looked at.
            other._watched = {key: (etag, 0.0) for key, (etag, _) in other._watched.items()}
            assert other.claim("key") is None


def test_a_claim_of_a_host_that_died_is_taken_over_by_one(store: MemoryStore) -> None:
    obstore.put(store, f"key{CLAIM}", b'{"holder": "dead", "lease_s": 0.3}')
    others = [_entries(store) for _ in range(4)]
    for other in others:
        assert other.claim("key") is None
    asyncio.run(asyncio.sleep(0.4))
    with ThreadPoolExecutor(4) as pool:
        claims = [each for each in pool.map(lambda o: o.claim("key"), others) if each is not None]
    assert len(claims) == 1
    with claims[0]:
        pass
    assert _keys(store) == []


@pytest.mark.parametrize("content", [b"", b"nonsense", b'{"lease_s": 1e99}', b'{"lease_s": "x"}'])
def test_nonsense_for_a_claim_keeps_nobody_waiting_for_ever(
    store: MemoryStore, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("audio_score_server.buckets.shared_entries.time.monotonic", lambda: now[0])
    obstore.put(store, f"key{CLAIM}", content)
    other = _entries(store)
    assert other.claim("key") is None
    now[0] += 11 * _LEASE_S
    with _held(other.claim("key")):
        pass


class _Host:
    """A host with a cache of its own; counts what it computes."""

    def __init__(self, folder: Path, entries: BucketEntries) -> None:
        self.store = ReferenceStore(folder, _MADE_BY, 10**6, entries)
        self.builder = ReferenceBuilder("model", self.store, self._encode)
        self.computed: list[ClipId] = []
        self.error: Exception | None = None

    async def _encode(self, clip: Clip) -> Reference:
        self.computed.append(clip.id)
        await asyncio.sleep(0.02)
        if self.error is not None:
            raise self.error
        return make_reference(int(clip.id.cid))

    def has(self, clip: Clip) -> bool:
        return same_reference(self.store.read(clip), as_kept(make_reference(int(clip.id.cid))))


async def _build(hosts: list[_Host], clips: list[Clip]) -> None:
    await asyncio.gather(*(host.builder.build_missing(clips, 4) for host in hosts))


def test_hosts_compute_each_clip_once_together(tmp_path: Path, store: MemoryStore) -> None:
    hosts = [_Host(tmp_path / str(n), _entries(store)) for n in range(3)]
    clips = [_clip(str(n), content=b"%d" % n) for n in range(12)]
    asyncio.run(_build(hosts, clips))
    computed = [clip_id for host in hosts for clip_id in host.computed]
    assert sorted(computed) == [clip.id for clip in sorted(clips, key=lambda clip: clip.id)]
    assert all(host.has(clip) for host in hosts for clip in clips)
    assert len(_keys(store)) == 12
    late = _Host(tmp_path / "late", _entries(store))
    asyncio.run(_build([late], clips))
    assert late.computed == []
    assert all(late.has(clip) for clip in clips)


def test_a_request_takes_what_is_shared(tmp_path: Path, store: MemoryStore) -> None:
    clip = _clip()
    one, other = (_Host(tmp_path / name, _entries(store)) for name in ("one", "other"))

    async def asked(host: _Host) -> Reference:
        reference = await host.builder.build_now(clip, EntryInvalid("missing"))
        # What is offered is offered afterwards.
        for _ in range(100):
            if any(key.endswith(ENTRY) for key in _keys(store)):
                break
            await asyncio.sleep(0.02)
        return reference

    assert same_reference(asyncio.run(asked(one)), asyncio.run(asked(other)))
    assert (len(one.computed), len(other.computed)) == (1, 0)


def test_a_damaged_entry_is_computed_and_shared_anew(
    tmp_path: Path, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    clip = _clip()
    key = f"{shared_key(clip, _MADE_BY)}{ENTRY}"
    obstore.put(store, key, _PACKED[:-100])
    one, other = (_Host(tmp_path / name, _entries(store)) for name in ("one", "other"))
    asyncio.run(_build([one], [clip]))
    assert "is not used: damaged" in caplog.text
    asyncio.run(_build([other], [clip]))
    assert (len(one.computed), len(other.computed)) == (1, 0)


def test_a_clip_that_cannot_be_used_blocks_nobody(tmp_path: Path, store: MemoryStore) -> None:
    clip = _clip()
    hosts = [_Host(tmp_path / str(n), _entries(store)) for n in range(2)]
    for host in hosts:
        host.error = SilentAudio("silent")
    asyncio.run(_build(hosts, [clip]))
    assert all(clip.version_key in host.builder.failures for host in hosts)
    assert _keys(store) == []


def test_a_host_that_hangs_with_its_claim_is_waited_for_no_longer_than_allowed(
    store: MemoryStore,
) -> None:
    clip = _clip()
    hanging = _entries(store)
    patient = SharedReferences(_entries(store), _MADE_BY, longest_wait_s=0.3)

    async def encode(_: Clip) -> Reference:
        return make_reference()

    async def scenario() -> int:
        tries = 1
        while await patient.made(clip, encode) is None:
            tries += 1
            await asyncio.sleep(0.1)
        return tries

    with _held(hanging.claim(shared_key(clip, _MADE_BY))):
        assert asyncio.run(scenario()) >= 3


def test_without_the_bucket_each_host_computes_for_itself_with_one_warning(
    tmp_path: Path, by_hand: ByHand, proxy: BucketProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    proxy.down = True
    host = _Host(tmp_path, BucketEntries(Bucket.open(by_hand.url, IMPATIENT)))
    clips = [_clip(str(n), content=b"%d" % n) for n in range(5)]
    asyncio.run(_build([host], clips))
    assert len(host.computed) == 5
    assert all(host.has(clip) for clip in clips)
    warnings = [record for record in caplog.records if "computes for itself" in record.message]
    assert len(warnings) == 1


def test_a_bucket_that_goes_away_meanwhile_costs_nothing_but_time(
    tmp_path: Path, by_hand: ByHand, proxy: BucketProxy
) -> None:
    entries = BucketEntries(Bucket.open(by_hand.url, IMPATIENT), _LEASE_S)
    clip = _clip()
    with _held(entries.claim("key")):
        proxy.down = True
        host = _Host(tmp_path, entries)
        asyncio.run(_build([host], [clip]))
    assert host.has(clip)


def test_hosts_share_through_a_real_bucket(
    tmp_path: Path, by_hand: ByHand, proxy: BucketProxy
) -> None:
    hosts = [
        _Host(tmp_path / str(n), BucketEntries(Bucket.open(by_hand.url, IMPATIENT)))
        for n in range(2)
    ]
    clips = [_clip(str(n), content=b"%d" % n) for n in range(4)]
    asyncio.run(_build(hosts, clips))
    assert len([clip_id for host in hosts for clip_id in host.computed]) == 4
    assert proxy.count("PUT", ENTRY) == 4
    assert all(key.endswith(ENTRY) for key in by_hand.names())
