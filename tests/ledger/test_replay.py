"""The record that the events of a release make, kind by kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gare.domain.digest import canonical, sha256
from gare.errors import UnexpectedReply
from gare.ledger.chain import GENESIS, Event, content_digest, link
from gare.ledger.replay import UNCHANGING, Record, load, replay

AT = "2026-03-02T09:00:00.000000+00:00"
OPENED = {
    "project": "shop", "version": "1.4.0", "commit": "a" * 40, "plan": "sha256:1", "run": "one",
    "requested_by": "rita", "reason": "",
}  # fmt: skip


def events(*said: tuple[str, dict[str, object]]) -> list[Event]:
    made: list[Event] = []
    for seq, (kind, body) in enumerate([("release opened", OPENED), *said], 1):
        prev = made[-1].hash if made else GENESIS
        made.append(link("R-1", seq, AT, kind, "gare", canonical(body), prev))
    return made


def told(*said: tuple[str, dict[str, object]]) -> tuple[Record, list[str]]:
    record, wrong = replay(events(*said))
    return record, [error.what for error in wrong]


def row(record: Record) -> list[object]:
    return [record.release, record.steps, record.approvals, record.effects, record.logs]


@pytest.mark.parametrize("kind", sorted(UNCHANGING))
def test_kinds_that_change_no_row(kind):
    body = {"environments": ["production"], "run": "one", "attempt": 2, "reason": "its worker died"}
    record, wrong = told((kind, body))
    assert wrong == []
    assert row(record) == row(told()[0])
    assert record.unknown == set()


def test_a_plan_made_anew_changes_plan_and_version_and_keeps_the_former():
    body = {
        "plan": "sha256:2",
        "before": "sha256:1",
        "reason": "a hotfix",
        "version": "1.4.1",
        "commit": "b",
    }
    record, wrong = told(("planned anew", body))
    assert wrong == []
    changed = {"plan": "sha256:2", "version": "1.4.1", "commit": "b"}
    assert record.release == told()[0].release | changed
    assert record.former_plans == ["sha256:1"]


def test_another_run_takes_over():
    record, wrong = told(
        ("run replaced", {"run": "two", "before": "one"}),
        ("run replaced", {"run": "three", "before": "two"}),
        ("run brought on", {"run": "three", "attempt": 1, "reason": "late"}),
    )
    assert wrong == []
    assert record.release == told()[0].release | {"run": "three"}


def test_needing_attention_is_open():
    attention = ("release needs attention", {"end": "tried 5 times", "waiting": []})
    record, wrong = told(attention, ("release running", {"end": "", "waiting": []}))
    assert wrong == []
    assert record.release["state"] == "running"
    assert told(attention)[0].release == told()[0].release | {
        "state": "needs attention",
        "end": "tried 5 times",
    }


ENDED = ("release cancelled", {"end": "", "waiting": []})


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ([("run replaced", {"run": "two", "before": "zero"})], "Its run before is zero, the release's was one."),
        (
            [("planned anew", {"plan": "sha256:2", "before": "sha256:0", "reason": "", "version": "2"})],
            "Its plan before is sha256:0, the release's was sha256:1.",
        ),
        ([("planned anew", {"plan": "sha256:2", "before": "sha256:1"})], "`version` is missing."),
        ([ENDED, ENDED], "It changes a release that has ended."),
        ([ENDED, ("run replaced", {"run": "two", "before": "one"})], "It changes a release that has ended."),
        ([ENDED, ("release opened", OPENED)], "It opens the release a second time."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_and_changes_nothing(said, what):
    record, wrong = told(*said)
    assert wrong == [what]
    assert record.release == told(*said[:-1])[0].release


def test_a_kind_of_a_later_gare_is_remembered():
    assert told(("pigeon sent", {}))[0].unknown == {"pigeon sent"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("NaN", "It is no JSON: NaN is no JSON number."),
        ("[1e999]", "It is no JSON: 1e999 is too large a number."),
        ('"\\ud800"', "It holds half a character."),
        ("[" * 100_000, "It is nested too deeply."),
        ("1" * 5000, None),
        ("\ufeff{}", None),
        ("", None),
    ],
)
def test_json_that_is_none_is_told(text, what):
    with pytest.raises(UnexpectedReply) as caught:
        load(text, "here")
    assert caught.value.where == "here"
    assert caught.value.what == what or what is None


@given(st.text(), st.integers(), st.text(), st.text(), st.text(), st.text(), st.text())
def test_the_digest_is_that_of_the_canonical_list(stream, seq, at, kind, actor, body, prev):
    """The chain spells the list itself, for speed; anybody must come to the same with a JSON library."""
    columns = (stream, seq, at, kind, actor, body, prev)
    try:
        wanted = sha256(canonical(list(columns)))
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            content_digest(*columns)
    else:
        assert content_digest(*columns) == wanted
