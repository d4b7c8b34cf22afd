"""Manifests, right and wrong, and what is planned of them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from audio_score_server.errors import EvaluationError
from audio_score_server.evaluation.manifest import Manifest, read_manifest
from audio_score_server.evaluation.plan import Plan, make_plan


def _folder(tmp_path: Path, manifest: str | bytes, *files: str) -> Path:
    content = manifest.encode() if isinstance(manifest, str) else manifest
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "manifest.csv").write_bytes(content)
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"sound")
    return tmp_path


def _plan(manifest: Manifest, clips: Path | None = None, limit: int = 100) -> Plan:
    return make_plan(manifest, clips, False, limit)


def _told(plan: Plan) -> list[tuple[str, str, str]]:
    return [(each.recording, plan.clips[each.clip].name, each.label) for each in plan.trials]


READINGS = (
    "file,sentence,reader,text\r\n"
    "a1,1,a,One\r\nb1,1,b,One\r\nc1,1,c,One\r\na2,2,a,Two\r\nb2,2,b,Two\r\n"
)
READING_FILES = ("a1", "b1", "c1", "a2", "b2")


def test_the_first_reader_of_a_sentence_is_the_clip(tmp_path: Path) -> None:
    plan = _plan(read_manifest(_folder(tmp_path, READINGS, *READING_FILES)))
    assert [(clip.name, clip.text) for clip in plan.clips] == [("a1", "One"), ("a2", "Two")]
    assert _told(plan) == [
        *(("b1", "a1", "right"), ("b1", "a2", "wrong")),
        *(("c1", "a1", "right"), ("c1", "a2", "wrong")),
        *(("b2", "a2", "right"), ("b2", "a1", "wrong")),
    ]


def test_without_sentences_the_same_text_is_the_same_line(tmp_path: Path) -> None:
    manifest = "file,text\na,Hello  you\nb,hello YOU\nc,Other\nd,other\n"
    plan = _plan(read_manifest(_folder(tmp_path, manifest, *"abcd")))
    assert {(one, other) for one, other, label in _told(plan) if label == "right"} == {
        ("b", "a"),
        ("d", "c"),
    }


def test_a_column_names_clips_and_labels(tmp_path: Path) -> None:
    manifest = (
        "file,clip,text,label,human_total\n"
        "x,p.mov,,,7\nx half,p.mov,,Half,\ny,q.mov,,,9.5\np.mov,,From the row,,\n"
    )
    folder = _folder(tmp_path, manifest, "x", "x half", "y", "p.mov", "q.mov")
    (folder / "q.txt").write_text("From\nbeside\n")
    read = read_manifest(folder)
    plan = _plan(read)
    assert [clip.text for clip in plan.clips] == ["From the row", "From beside"]
    assert _told(plan) == [
        *(("x", "p.mov", "right"), ("x", "q.mov", "wrong")),
        ("x half", "p.mov", "half"),
        *(("y", "q.mov", "right"), ("y", "p.mov", "wrong")),
    ]
    assert [each.measures.get("human_total", 0.0) for each in plan.trials if each.own] == [
        7.0,
        pytest.approx(math.nan, nan_ok=True),
        9.5,
    ]
    assert not any(each.measures for each in plan.trials if not each.own)


def test_clips_may_be_in_a_folder_of_their_own(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "x", "file,text\na.ogg,One\nb.ogg,Two\n", "a.ogg", "b.ogg")
    clips = _folder(tmp_path / "y", "", "a.mov", "b.wav", "a.txt")
    plan = _plan(read_manifest(folder), clips)
    assert [trial.own for trial in plan.trials] == [True, False, True, False]
    assert [clip.path for clip in plan.clips] == [clips / "a.mov", clips / "b.wav"]
    (clips / "b.wav").unlink()
    with pytest.raises(EvaluationError, match="no clip called b"):
        _plan(read_manifest(folder), clips)


def test_impostors_are_drawn_alike_every_time(tmp_path: Path) -> None:
    lines = [f"{reader}{line},{line}" for line in range(12) for reader in "ab"]
    names = [line.partition(",")[0] for line in lines]
    folder = _folder(tmp_path, "\n".join(["file,text", *lines]), *names)
    plan = _plan(read_manifest(folder), limit=3)
    assert plan == _plan(read_manifest(folder), limit=3)
    assert len(plan.trials) == 12 * 4
    assert len({trial.clip for trial in plan.trials if not trial.own}) > 6
    for trial in plan.trials:
        same = plan.clips[trial.clip].name[1:] == trial.recording[1:]
        assert same == trial.own


def test_a_synthetic_voice_speaks_each_text_once(tmp_path: Path) -> None:
    read = read_manifest(_folder(tmp_path, "file,text\na,One\nb,One\nc,Two\n", *"abc"))
    plan = make_plan(read, None, True, 100)
    assert [(clip.path, clip.text) for clip in plan.clips] == [(None, "One"), (None, "Two")]
    assert sum(trial.own for trial in plan.trials) == 3


def test_another_file_may_be_the_manifest(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "file,text,x_score\na,One,1\n", "a")
    (folder / "manifest.csv").rename(folder / "human.csv")
    read = read_manifest(folder / "human.csv")
    assert (len(read.rows), read.measures) == (1, ("x_score",))


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("", "no column is called 'file'; found: none"),
        ("name;text\na;b\n", "no column is called 'file'; found: name;text"),
        ("file,text\n", "lists no recordings"),
        ("file,file\na,b\n", "two columns are called 'file'"),
        ("file,text\na\n", "line 2: 1 cells for 2 columns"),
        ("file,text\na,one, two\n", "line 2: 3 cells for 2 columns"),
        ("file,text\n,One\n", "line 2: names no file"),
        ("file,text\na,One\na,One\n", "line 3: a is in line 2 already"),
        ("file,text\na,One\nmissing,Two\n", r"1 of its files do not exist: missing \(line 3\)"),
        ("file,human_total\na,good\n", "human_total is 'good'"),
        ("file,human_total\na,inf\n", "human_total is 'inf'"),
        (b"file,text\na,\xff\n", "line 2: not UTF-8"),
        ('file,text\na,"One\n', "line 2: .*quotation marks"),
        ("file,text\na\0,One\n", "line 2: names no file"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_told(
    tmp_path: Path, manifest: str | bytes, message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        read_manifest(_folder(tmp_path, manifest, "a"))


def test_no_manifest_and_no_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"manifest\.csv does not exist"):
        read_manifest(tmp_path)
    with pytest.raises(EvaluationError, match="nowhere does not exist"):
        read_manifest(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("file,text\na,One\nb,Two\n", "does not tell which clips"),
        ("file\na\nb\n", "does not tell which clips"),
        ("file,text\na,One\nb,One\n", "nothing to measure. No trial is wrong"),
        ("file,clip,label\na,b,wrong\n", "nothing to measure. No trial is right"),
        ("file,clip\na,\nb,\n", "names no clip"),
        ("file,clip\na,nowhere\n", "line 2: the clip .*nowhere does not exist"),
    ],
)
def test_what_cannot_be_planned_is_told(tmp_path: Path, manifest: str, message: str) -> None:
    read = read_manifest(_folder(tmp_path, manifest, "a", "b"))
    with pytest.raises(EvaluationError, match=message):
        _plan(read)


def test_people_s_scores_need_no_impostors(tmp_path: Path) -> None:
    read = read_manifest(_folder(tmp_path, "file,text,human_x\na,One,1\nb,One,2\n", "a", "b"))
    assert [trial.measures for trial in _plan(read).trials] == [{"human_x": 2.0}]
