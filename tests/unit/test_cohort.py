from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from audio_score_server.library.clip import BUILT_IN, Clip, ClipId, Library
from audio_score_server.references.prune import prune
from audio_score_server.references.store import ReferenceStore
from audio_score_server.similarity.cohort import built_in_speech, choose_cohort
from tests.support import make_clip, make_reference, named_clip

_MOST = 16


def _clips(count: int) -> list[Clip]:
    return [named_clip(str(number)) for number in range(count)]


def _own(cohort: list[Clip]) -> set[ClipId]:
    return {clip.id for clip in cohort if clip.id.uid != BUILT_IN}


@given(st.permutations(_clips(40)))
def test_the_choice_is_the_same_in_any_order(clips: list[Clip]) -> None:
    assert choose_cohort(clips) == choose_cohort(_clips(40))


@given(st.sets(st.integers(0, 199), max_size=5))
def test_clips_that_go_change_little(gone: set[int]) -> None:
    clips = _clips(200)
    rest = [clip for number, clip in enumerate(clips) if number not in gone]
    assert len(_own(choose_cohort(clips)) - _own(choose_cohort(rest))) <= len(gone)
    assert len(_own(choose_cohort(rest)) - _own(choose_cohort(clips))) <= len(gone)


def test_the_choice_does_not_follow_the_order_of_names() -> None:
    numbers = {int(clip_id.cid) for clip_id in _own(choose_cohort(_clips(1_000)))}
    assert max(numbers) - min(numbers) > 500


def test_a_small_library_is_filled_up_with_built_in_lines() -> None:
    for count in (0, 1, 5, 15, 16, 100):
        cohort = choose_cohort(_clips(count))
        assert len(_own(cohort)) == min(count, _MOST)
        assert len(cohort) == min(_MOST, count + len(choose_cohort([])))
        assert len({clip.id for clip in cohort}) == len(cohort)


def test_the_built_in_lines_are_there_with_their_texts() -> None:
    built_in = choose_cohort([])
    assert len(built_in) >= 12
    assert all(clip.read() and clip.text for clip in built_in)
    assert len({clip.text for clip in built_in}) == len(built_in)


def test_no_clip_of_a_library_takes_the_name_of_a_built_in_line(tmp_path: Path) -> None:
    clip = make_clip(tmp_path, "cohort_line01.wav")
    assert clip.id.uid != BUILT_IN
    assert choose_cohort([clip]) == [clip, *built_in_speech()][:_MOST]


def test_a_flush_leaves_the_built_in_lines_of_models_that_there_are(tmp_path: Path) -> None:
    own, line = make_clip(tmp_path / "clips"), choose_cohort([])[0]
    for model in ("model", "former"):
        store = ReferenceStore(tmp_path / "cache" / model, ("runner", "settings"), 0)
        for clip in (own, line, replace(own, id=ClipId("gone", "1"))):
            with store.claim(clip) as mine:
                assert mine
                store.write(clip, make_reference())
    assert prune(tmp_path / "cache", ["model"], Library([own])) == 4
    assert (tmp_path / "cache" / "model" / BUILT_IN / line.id.cid).is_dir()
    assert not (tmp_path / "cache" / "former" / BUILT_IN).exists()
