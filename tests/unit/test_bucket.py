"""Objects of a bucket, through a network that fails in every way."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from audio_score_server.buckets.bucket import Bucket
from audio_score_server.buckets.conditions import heeds_conditions
from audio_score_server.buckets.errors import (
    BucketFull,
    BucketUnavailable,
    ObjectChanged,
    ObjectMissing,
)
from audio_score_server.buckets.opening import is_plain_http
from tests.buckets import IMPATIENT, BucketProxy, ByHand, Fault, Kind

_PASSING: list[Kind | int] = ["refuse", "lose_answer", "cut", "stall", 500, 503]


@pytest.fixture
def bucket(proxy: BucketProxy, by_hand: ByHand) -> Bucket:
    return Bucket.open(by_hand.url, IMPATIENT)


def test_what_is_put_is_listed_and_got(bucket: Bucket) -> None:
    version = bucket.put("film_1.wav", b"one")
    bucket.put("deeper/film_2.wav", b"two")
    (stamp,) = bucket.listed()
    assert (stamp.key, stamp.size, stamp.etag) == ("film_1.wav", 3, version.etag)
    assert bucket.get("film_1.wav", version.etag).content == b"one"
    assert [each.key for each in bucket.below("deeper")] == ["deeper/film_2.wav"]
    bucket.delete("film_1.wav")
    bucket.delete("film_1.wav")
    assert bucket.listed() == []


def test_more_than_one_page_is_listed(
    bucket: Bucket, by_hand: ByHand, proxy: BucketProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(25):
        by_hand.put(f"film_{number}.wav", b"x")
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    assert len(bucket.listed()) == 25
    assert proxy.count("GET", "list-type") == 3
    assert [each.key for each in bucket.beginning("film_24.")] == ["film_24.wav"]
    assert bucket.beginning("film_30.") == []


def test_a_large_object_goes_in_parts(bucket: Bucket, by_hand: ByHand, proxy: BucketProxy) -> None:
    content = bytes(range(256)) * 30_000
    proxy.faults = [Fault(503, "PUT", "partNumber=1")]
    version = bucket.put("film_1.wav", content)
    assert by_hand.get("film_1.wav") == content
    assert bucket.get("film_1.wav", version.etag).content == content


@pytest.mark.parametrize("what", _PASSING)
def test_reading_survives_what_passes(
    bucket: Bucket, by_hand: ByHand, proxy: BucketProxy, what: Kind | int
) -> None:
    by_hand.put("film_1.wav", b"0123456789")
    proxy.faults = [Fault(what, times=2)]
    assert len(bucket.listed()) == 1
    proxy.faults = [Fault(what, times=2)]
    assert bucket.get("film_1.wav").content == b"0123456789"
    assert proxy.faults == []


@pytest.mark.parametrize("what", _PASSING)
def test_writing_survives_what_passes(
    bucket: Bucket, by_hand: ByHand, proxy: BucketProxy, what: Kind | int
) -> None:
    proxy.faults = [Fault(what, "PUT", times=2)]
    bucket.put("film_1.wav", b"new")
    assert by_hand.get("film_1.wav") == b"new"


def test_conditions_hold(bucket: Bucket) -> None:
    first = bucket.put_if("film_1.clip.json", b"1", None)
    with pytest.raises(ObjectChanged):
        bucket.put_if("film_1.clip.json", b"2", None)
    second = bucket.put_if("film_1.clip.json", b"3", first)
    with pytest.raises(ObjectChanged):
        bucket.put_if("film_1.clip.json", b"4", first)
    with pytest.raises(ObjectChanged):
        bucket.put_if("film_2.clip.json", b"5", second)
    with pytest.raises(ObjectChanged):
        bucket.get("film_1.clip.json", first.etag)
    assert bucket.get("film_1.clip.json", second.etag).content == b"3"


@pytest.mark.parametrize("status", [409, 412])
def test_a_conflict_is_a_change(bucket: Bucket, proxy: BucketProxy, status: int) -> None:
    proxy.faults = [Fault(status, "PUT", times=10)]
    with pytest.raises(ObjectChanged):
        bucket.put_if("film_1.clip.json", b"1", None)


def test_a_bucket_that_is_gone_is_told_in_time_with_the_remedy(
    bucket: Bucket, proxy: BucketProxy
) -> None:
    proxy.down = True
    begun = time.monotonic()
    with pytest.raises(BucketUnavailable, match=r"AWS_ENDPOINT_URL or its like, and the network"):
        bucket.listed()
    assert time.monotonic() - begun < 30.0


@pytest.mark.parametrize(
    ("status", "remedy"), [(403, "credentials"), (404, "bucket's name"), (507, "space")]
)
def test_a_refusal_tells_the_remedy(
    bucket: Bucket, proxy: BucketProxy, status: int, remedy: str
) -> None:
    proxy.faults = [Fault(status, times=100)]
    expected = BucketFull if status == 507 else BucketUnavailable
    with pytest.raises(expected, match=remedy) as refused:
        bucket.put("film_1.wav", b"one")
    # Neither addresses nor signatures, and one line of it.
    assert "X-Amz" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_object_that_is_not_there_is_missing(bucket: Bucket) -> None:
    with pytest.raises(ObjectMissing):
        bucket.get("film_1.wav")


def test_an_object_that_is_too_large_is_not_fetched(bucket: Bucket) -> None:
    bucket.put("film_1.wav", b"1234")
    with pytest.raises(ObjectMissing):
        bucket.get("film_1.wav", largest=3)
    assert bucket.get("film_1.wav", largest=4).content == b"1234"


def test_a_bucket_that_is_not_there_is_told(proxy: BucketProxy) -> None:
    missing = Bucket.open("s3://there-is-none/library", IMPATIENT)
    for refused in (missing.listed, lambda: missing.put("a", b"b")):
        with pytest.raises(BucketUnavailable, match="Check the bucket's name"):
            refused()


def test_a_key_that_no_path_can_be_is_named(bucket: Bucket, object_store: str) -> None:
    host, name = object_store.removeprefix("http://"), bucket.url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request("PUT", f"/{name}/library//film_1.wav", b"odd")
    assert connection.getresponse().status == 200
    connection.close()
    with pytest.raises(BucketUnavailable, match="Take the object with that key out"):
        bucket.listed()


def test_a_store_that_heeds_no_conditions_is_found_out(bucket: Bucket, proxy: BucketProxy) -> None:
    assert heeds_conditions(bucket)
    assert heeds_conditions(bucket)
    proxy.conditions = False
    assert not heeds_conditions(bucket)


def test_a_version_is_what_was_asked_for_even_if_the_store_does_not_look(
    bucket: Bucket, proxy: BucketProxy
) -> None:
    before = bucket.put("film_1.wav", b"one")
    bucket.put("film_1.wav", b"two")
    proxy.conditions = False
    with pytest.raises(ObjectChanged):
        bucket.get("film_1.wav", before.etag)


def test_another_kind_of_store_does_as_well(tmp_path: Path) -> None:
    store = MemoryStore()
    bucket = Bucket(store, "memory:///")
    assert heeds_conditions(bucket)
    bucket.put("film_1.wav", b"one")
    obstore.put(store, "film_10.wav", b"ten")
    assert [each.key for each in bucket.beginning("film_1.")] == ["film_1.wav"]


@pytest.mark.parametrize("url", ["s3:///x", "az://container/prefix"])
def test_what_cannot_be_opened_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(BucketUnavailable, match="cannot be used"):
        Bucket.open(url)


def test_encryption_is_left_out_only_where_the_endpoint_says_so() -> None:
    assert is_plain_http({"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"})
    assert not is_plain_http({"AWS_ENDPOINT_URL": "https://s3.example"})
    assert not is_plain_http({})
