from typing import NamedTuple

import pytest
import semver
from hypothesis import given
from hypothesis import strategies as st

from gare.domain.commits import Change, Commit, compile_pattern, parse
from gare.domain.versions import (
    Next,
    Previous,
    Released,
    is_planned_for,
    is_prerelease,
    next_version,
    pick_previous,
    released,
    step_over,
)
from gare.errors import ConfigError, Refused


class Tag(NamedTuple):
    name: str
    commit: str


class Rule(NamedTuple):
    initial: str = "0.1.0"
    major_on_zero: bool = False


def changes(*messages: str) -> list[Change]:
    pattern = compile_pattern(r"[A-Z]+-\d+")
    return [
        parse(
            Commit(f"{n:040x}", (), "Ada", "ada@example.org", "2026-03-01T10:00:00Z", text), pattern
        )
        for n, text in enumerate(messages)
    ]


def since(*versions: str, prefix: str = "v") -> Previous:
    return pick_previous([Tag(f"{prefix}{v}", f"{n}" * 40) for n, v in enumerate(versions)], prefix)


FIX, FEAT, BREAKING, CHORE = "fix: a", "feat: b", "feat!: c", "chore: d"


@pytest.mark.parametrize(
    ("before", "messages", "prerelease", "version", "bump"),
    [
        ((), [FIX], "", "0.1.0", "initial"),
        ((), [BREAKING], "", "0.1.0", "initial"),
        ((), [FIX], "rc", "0.1.0-rc.1", "initial"),
        (("0.1.0-rc.1",), [FIX], "", "0.1.0", "initial"),
        (("0.1.0-rc.1",), [FIX], "rc", "0.1.0-rc.2", "prerelease"),
        (("1.2.3",), [FIX], "", "1.2.4", "patch"),
        (("1.2.3",), [CHORE], "", "1.2.4", "patch"),
        (("1.2.3",), ["no convention at all"], "", "1.2.4", "patch"),
        (("1.2.3",), [FIX, FEAT, CHORE], "", "1.3.0", "minor"),
        (("1.2.3",), [FIX, BREAKING], "", "2.0.0", "major"),
        (("1.2.3",), ["fix: x\n\nBREAKING CHANGE: y"], "", "2.0.0", "major"),
        (("0.2.3",), [BREAKING], "", "0.3.0", "minor"),
        (("0.2.3",), [FEAT], "", "0.3.0", "minor"),
        (("0.2.3",), [FIX], "", "0.2.4", "patch"),
        (("1.1.0",), [FEAT], "rc", "1.2.0-rc.1", "minor"),
        (("1.1.0", "1.2.0-rc.1"), [FIX], "rc", "1.2.0-rc.2", "prerelease"),
        (("1.1.0", "1.2.0-rc.9"), [FIX], "rc", "1.2.0-rc.10", "prerelease"),
        (("1.1.0", "1.2.0-beta.3"), [FIX], "rc", "1.2.0-rc.1", "prerelease"),
        (("1.1.0", "1.2.0-rc.1"), [BREAKING], "rc", "2.0.0-rc.1", "major"),
        (("1.1.0", "1.2.0-rc.1"), [FIX], "", "1.2.0", "minor"),
        (("1.1.0", "1.2.0-rc.1"), [FIX, FEAT], "", "1.2.0", "minor"),
        (("1.1.0", "2.0.0-rc.1"), [FEAT], "", "2.0.0", "major"),
    ],
)
def test_the_next_version_follows_from_the_commits(before, messages, prerelease, version, bump):
    found = next_version(since(*before), changes(*messages), Rule(), prerelease=prerelease)
    assert found == (version, bump)


def test_a_breaking_change_leaves_zero_only_when_told_so():
    assert (
        next_version(since("0.4.0"), changes(BREAKING), Rule(major_on_zero=True)).version == "1.0.0"
    )


def test_a_feature_undone_in_the_range_does_not_raise_the_minor_version():
    feat = changes("feat: x")[0]
    undone = changes(f'Revert "feat: x"\n\nThis reverts commit {feat.sha}.')[0]
    found = next_version(since("1.0.0"), [undone._replace(sha="e" * 40), feat], Rule())
    assert found.version == "1.0.1"


@pytest.mark.parametrize(
    ("override", "bump"),
    [("1.2.1", "patch"), ("1.3.0", "minor"), ("4.0.0", "major"), ("1.3.0-rc.1", "minor")],
)
def test_a_given_version_is_taken(override, bump):
    found = next_version(since("1.2.0"), changes(FIX), Rule(), override=override)
    assert found == (override, bump)


COMPLAINTS = [
    (
        {"override": "1.2"},
        "'1.2' is not a version. Write MAJOR.MINOR.PATCH, such as 1.4.0 (semver.org).",
    ),
    ({"override": "v1.3.0"}, "'v1.3.0' is not a version. Write 1.3.0, without the tag's prefix."),
    (
        {"override": "--help"},
        "'--help' is not a version. Write MAJOR.MINOR.PATCH, such as 1.4.0 (semver.org).",
    ),
    (
        {"override": "1.2.0"},
        "Version 1.2.0 exists already: tag v1.2.0 at 0000000. "
        "Choose a greater one with `--version`; a released version is never changed.",
    ),
    (
        {"override": "1.2.0+build.5"},
        "Version 1.2.0+build.5 exists already: tag v1.2.0 at 0000000. "
        "Choose a greater one with `--version`; a released version is never changed.",
    ),
    (
        {"override": "1.1.9"},
        "Version 1.1.9 is not greater than 1.2.0, the last one in this history. "
        "(tag v1.2.0 at 0000000) Choose a greater one with `--version`.",
    ),
    (
        {"override": "1.3.0", "prerelease": "rc"},
        "Both a version (1.3.0) and a pre-release label (rc) were given. "
        "Give one of them; a pre-release can be spelled out, such as 1.3.0-rc.1.",
    ),
    (
        {"prerelease": "rc.1"},
        "'rc.1' is not a pre-release label. "
        "Write letters, digits and dashes, such as rc or beta; Gare adds the number.",
    ),
    (
        {"taken": [Released("1.2.1", "v1.2.1", "9" * 40)]},
        "Version 1.2.1 exists already: tag v1.2.1 at 9999999, which is not in this history. "
        "Choose a greater one with `--version`; a released version is never changed.",
    ),
]


@pytest.mark.parametrize(("given_", "message"), COMPLAINTS)
def test_a_version_that_cannot_be_is_refused_with_what_to_do(given_, message):
    with pytest.raises(Refused) as error:
        next_version(since("1.2.0"), changes(FIX), Rule(), **given_)
    assert str(error.value) == message


def test_a_label_that_sorts_below_the_last_one_is_refused():
    with pytest.raises(Refused, match=r"1\.3\.0-alpha\.1 is not greater than 1\.3\.0-rc\.1"):
        next_version(since("1.2.0", "1.3.0-rc.1"), changes(FIX), Rule(), prerelease="alpha")


def test_no_commits_means_nothing_to_release():
    with pytest.raises(Refused) as error:
        next_version(since("1.2.0"), [], Rule())
    assert error.value.exit_code == 3
    assert str(error.value) == (
        "Nothing to release: there is no commit since 1.2.0. (tag v1.2.0 at 0000000) "
        "Merge what shall be released, or name another branch with `--ref`."
    )


def test_a_wrong_initial_version_is_a_configuration_error():
    with pytest.raises(ConfigError) as error:
        next_version(Previous(), changes(FIX), Rule(initial="1"))
    assert str(error.value) == (
        "'1' is not a version. (version: initial) "
        "Write MAJOR.MINOR.PATCH, such as 1.4.0 (semver.org)."
    )


NAMES = [
    "v1.0.0",
    "v1.10.0",
    "v1.9.0",
    "v2",
    "v1.2",
    "v01.2.3",
    "nightly",
    "version",
    "v",
    "api-v3.0.0",
    "v1.11.0-rc.1",
    "1.12.0",
    "vv1.13.0",
]


@pytest.mark.parametrize(
    ("prefix", "versions"),
    [
        ("v", ["1.11.0-rc.1", "1.10.0", "1.9.0", "1.0.0"]),
        ("api-v", ["3.0.0"]),
        ("", ["1.12.0"]),
        ("web-v", []),
    ],
)
def test_only_tags_that_are_versions_under_the_prefix_count_greatest_first(prefix, versions):
    tags = [Tag(name, "c" * 40) for name in NAMES]
    assert [entry.version for entry in released(tags, prefix)] == versions


def test_notes_of_a_final_release_start_at_the_last_final_one():
    previous = since("1.0.0", "1.1.0-rc.1", "1.1.0-rc.2")
    assert previous.start().version == "1.0.0"
    assert previous.start("rc").version == "1.1.0-rc.2"
    assert Previous().start() is None


@pytest.mark.parametrize(
    ("planned", "version", "fits"),
    [
        ("1.4.0", "1.4.0", True),
        ("v1.4.0", "1.4.0", True),
        (" 1.4.0 ", "1.4.0", True),
        ("1.4.0", "1.4.0-rc.1", True),
        ("1.4.0-rc.1", "1.4.0", False),
        ("1.4.0", "1.4.1", False),
        ("", "1.4.0", False),
        ("v", "1.4.0", False),
    ],
)
def test_tickets_of_a_version_belong_to_its_prereleases_too(planned, version, fits):
    assert is_planned_for(planned, version) is fits


parts = st.integers(0, 30)
finals = st.builds("{}.{}.{}".format, parts, parts, parts)
labels = st.sampled_from(["", "rc", "beta"])
texts = st.lists(st.sampled_from([FIX, FEAT, BREAKING, CHORE, "free text"]), min_size=1, max_size=4)


@given(finals, texts, labels, st.booleans())
def test_the_next_version_is_always_valid_and_greater(before, messages, label, major_on_zero):
    found = next_version(
        since(before), changes(*messages), Rule(major_on_zero=major_on_zero), prerelease=label
    )
    assert semver.Version.parse(found.version) > before
    assert is_prerelease(found.version) is bool(label)


@given(finals, st.lists(texts, min_size=1, max_size=4))
def test_a_final_version_is_above_all_its_prereleases(before, rounds):
    done = [before]
    for messages in rounds:
        done.append(next_version(since(*done), changes(*messages), Rule(), prerelease="rc").version)
    everything = [text for messages in rounds for text in messages]
    final = next_version(since(*done), changes(*everything), Rule()).version
    assert all(semver.Version.parse(final) > version for version in done)
    assert final == max(done, key=semver.Version.parse).partition("-")[0]


@pytest.mark.parametrize(
    ("chosen", "deployed", "stepped"),
    [
        ("1.4.0", (), "1.4.0"),
        ("1.4.0", ("1.4.0",), "1.4.1"),
        ("1.4.0", ("1.4.0", "1.4.1"), "1.4.2"),
        ("1.4.0-rc.1", ("1.4.0-rc.1",), "1.4.0-rc.2"),
        ("1.4.0", ("1.4.0-rc.1",), "1.4.0"),
    ],
)
def test_a_version_that_has_run_somewhere_is_stepped_over(chosen, deployed, stepped):
    assert step_over(Next(chosen, "minor"), dict.fromkeys(deployed, "R-1")).version == stepped


def test_a_given_version_that_has_run_somewhere_is_refused():
    with pytest.raises(Refused) as error:
        step_over(Next("1.4.0", "minor"), {"1.4.0": "R-7"}, is_given=True)
    assert error.value.what == "Version 1.4.0 was deployed by R-7 already."
