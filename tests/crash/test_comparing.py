"""What the matrix calls lost, duplicated and asked again."""

import pytest
from comparing import Trouble, compare

WANTED = {
    "end": ["released"],
    "engine": ["COMPLETED Released"],
    "remote refs": ["refs/heads/main feat: two", "refs/tags/v1.1.0 feat: two"],
    "webhook": ["R/announce/webhook HOOK"],
    "steps done": ["build", "publish"],
    "asked": ["approve-production"],
    "evidence": [],
}


def test_the_same_outcome_has_no_deviation():
    assert compare(WANTED, {kind: list(reversed(found)) for kind, found in WANTED.items()}) == []


@pytest.mark.parametrize(
    ("changed", "trouble"),
    [
        ({"webhook": ["R/announce/webhook HOOK"] * 2}, Trouble.DUPLICATED),
        ({"webhook": []}, Trouble.LOST),
        ({"remote refs": ["refs/heads/main feat: two"]}, Trouble.LOST),
        ({"steps done": ["build", "publish", "publish"]}, Trouble.DUPLICATED),
        ({"asked": ["approve-production"] * 2}, Trouble.ASKED_AGAIN),
        ({"end": ["failed"]}, Trouble.LOST),
        ({"engine": ["RUNNING Running"]}, Trouble.LOST),
        ({"evidence": ["the digest is another"]}, Trouble.DUPLICATED),
        ({"something new": ["there"]}, Trouble.DUPLICATED),
    ],
)
def test_each_difference_is_one_trouble(changed, trouble):
    assert [deviation.trouble for deviation in compare(WANTED, WANTED | changed)] == [trouble]


def test_the_kinds_of_a_member_are_judged_as_those_of_a_project():
    wanted = {"@-api: end": ["released"], "@-api: asked": ["approve-production"]}
    found = {"@-api: end": ["failed"], "@-api: asked": ["approve-production"] * 2}
    troubles = [deviation.trouble for deviation in compare(wanted, found)]
    assert troubles == [Trouble.ASKED_AGAIN, Trouble.LOST]


def test_a_kind_that_nobody_looked_at_is_lost():
    found = {kind: values for kind, values in WANTED.items() if kind != "steps done"}
    assert [str(deviation) for deviation in compare(WANTED, found)] == [
        "lost: steps done: build",
        "lost: steps done: publish",
    ]
