"""What goes wrong with GitLab, and what a person is told."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gitlab_project import GITLAB, PATH, connected, head
from sandbox import Served, sandboxed

from gare.connectors.connection import Connection
from gare.connectors.gitlab import GitLab
from gare.connectors.gitlab_settings import GitLabConnection
from gare.errors import (
    AuthenticationFailed,
    Conflict,
    GareError,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unavailable,
    UnexpectedReply,
)
from gare.ports.release_page import ReleaseEntry


@pytest.fixture
def served() -> Iterator[Served]:
    with sandboxed({"gitlab": GITLAB}) as up:
        yield up


def release(gitlab: GitLab, tag: str = "v0.1.0") -> ReleaseEntry:
    return gitlab.release_page.write(ReleaseEntry(tag, "Teashop", "notes"))


def start(gitlab: GitLab) -> Any:
    return gitlab.ci.start("main", head(gitlab), "R-1", {})


@pytest.mark.parametrize(
    ("token", "act", "kind", "told"),
    [
        ("glpat-wrong", start, AuthenticationFailed, "GitLab does not know the token"),
        ("glpat-expired", start, AuthenticationFailed, "The token has expired"),
        (
            "glpat-read-only",
            start,
            PermissionDenied,
            "The token lacks a scope: cannot start a pipeline for main",
        ),
        (
            "glpat-of-an-intern",
            start,
            PermissionDenied,
            "The role Developer is missing: cannot start a pipeline for main; the token's user has Reporter",
        ),
        (
            "glpat-of-a-stranger",
            start,
            NotFound,
            f"GitLab shows no project {PATH} to this token",
        ),
        (
            "glpat-of-a-developer",
            release,
            PermissionDenied,
            "You do not have permission to create this tag: it is protected",
        ),
    ],
)
def test_a_missing_right_is_named(
    served: Served, token: str, act: Any, kind: type[GareError], told: str
) -> None:
    with pytest.raises(kind) as raised:
        act(connected(served.url, token=token))
    assert told in raised.value.what
    assert raised.value.where.startswith(f"GitLab {PATH}")
    assert raised.value.hint
    assert token not in str(raised.value)


@pytest.mark.parametrize("token", ["glpat-wrong", "glpat-expired"])
def test_a_token_that_is_no_good_any_more_names_where_the_new_one_goes(
    served: Served, token: str
) -> None:
    with pytest.raises(AuthenticationFailed) as raised:
        start(connected(served.url, token=token))
    assert raised.value.hint == (
        "Make a new one with the scope `api`, set it as $GARE_TEST_GITLAB_TOKEN "
        "(`connections: gitlab` of station.yaml), and restart the station."
    )


def test_a_token_in_a_file_names_the_file() -> None:
    said = {"type": "gitlab", "url": "https://x", "token": "file:secrets/forge.token"}
    assert GitLabConnection.model_validate(said).renewal("forge") == (
        "write it into secrets/forge.token (`connections: forge` of station.yaml), and restart the station."
    )


def test_no_rights_and_no_project_look_alike_and_that_is_said(served: Served) -> None:
    with pytest.raises(NotFound) as raised:
        connected(served.url, project="shop/nowhere").freezes.freeze_periods()
    assert "Either it does not exist, or the token's user is no member of it" in raised.value.hint


def test_a_page_to_sign_in_is_no_data(served: Served) -> None:
    served.fail("login page")
    with pytest.raises(UnexpectedReply, match="a web page instead of data"):
        connected(served.url).freezes.freeze_periods()


def test_json_that_breaks_off_again_and_again(served: Served) -> None:
    served.fail("truncated", path="*/freeze_periods", count=None)
    with pytest.raises(Unavailable, match="its answer breaks off after"):
        connected(served.url, naps=[]).freezes.freeze_periods()


def test_a_refusal_names_the_request_by_which_gitlabs_log_is_searched(served: Served) -> None:
    with pytest.raises(NotFound) as raised:
        connected(served.url).ci.pipeline(99)
    assert re.search(r"GitLab shop/web/teashop, request [0-9a-f]{32}", str(raised.value))


def test_what_is_sent_and_waited_for_is_in_the_log(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="gare")
    served.fail("status", path="*/freeze_periods")
    connected(served.url, naps=[]).freezes.freeze_periods()
    told = [record.getMessage() for record in caplog.records]
    assert re.search(r"it answered 503\. \(GitLab .*, request \w+\) Again in \d", told[1])
    assert re.search(r"GET .*/freeze_periods -> 200, request id \w{32}", told[2])


def test_a_failure_of_gitlabs_own_is_no_refusal(served: Served) -> None:
    served.fail("status", status=500, method="POST")
    with pytest.raises(
        Unavailable, match=r"GitLab failed, and cannot make the release of v0\.1\.0"
    ):
        release(connected(served.url))


def test_a_gitlab_that_is_away_when_asked_for_rights_says_nothing_about_them(
    served: Served,
) -> None:
    gitlab = connected(served.url, naps=[])
    served.fail("status", status=403, method="POST", path="*/releases")
    served.fail("status", status=503, path="*/shop%2Fweb%2Fteashop", count=None)
    with pytest.raises(Unavailable, match="it answered 503"):
        release(gitlab)


def test_a_rate_limit_is_kept_and_the_call_goes_on(served: Served) -> None:
    naps: list[float] = []
    served.fail("rate limit", retry_after_s=7)
    assert connected(served.url, naps=naps).freezes.freeze_periods()
    assert len(naps) == 1
    assert naps[0] >= 7


def test_a_rate_limit_of_minutes_is_left_to_the_step(served: Served) -> None:
    naps: list[float] = []
    served.fail("rate limit", retry_after_s=600)
    with pytest.raises(RateLimited) as raised:
        connected(served.url, naps=naps).freezes.freeze_periods()
    assert (raised.value.retry_after_s, naps) == (600, [])


@pytest.mark.parametrize("kind", ["cut", "lost reply", "status", "truncated"])
def test_a_read_that_fails_once_is_repeated(served: Served, kind: str) -> None:
    naps: list[float] = []
    served.fail(kind, path="*/freeze_periods")
    assert connected(served.url, naps=naps).freezes.freeze_periods()
    assert len(served.sent("GET", "/freeze_periods")) == 2
    assert len(naps) == 1


def test_a_vendor_that_is_away_is_left_after_a_while(served: Served) -> None:
    naps: list[float] = []
    served.fail("status", status=503, count=None)
    with pytest.raises(Unavailable, match="GitLab cannot be used now: it answered 503"):
        connected(served.url, naps=naps).freezes.freeze_periods()
    assert 3 <= len(naps) <= 7
    assert sum(naps) <= 20


def test_nobody_at_the_address() -> None:
    gitlab = connected("http://127.0.0.1:1", naps=[])
    with pytest.raises(Unavailable, match="Connection refused"):
        gitlab.freezes.freeze_periods()


@pytest.mark.parametrize("kind", ["cut", "lost reply"])
def test_a_write_is_never_sent_twice_and_is_found_again(served: Served, kind: str) -> None:
    naps: list[float] = []
    gitlab = connected(served.url, naps=naps)
    served.fail(kind, method="POST", path="*/releases")
    with pytest.raises(Unavailable, match="cannot be used now") as raised:
        release(gitlab)
    assert "Whether it was done is looked up first" in raised.value.hint
    assert len(served.sent("POST", "/releases")) == 1
    found = gitlab.release_page.look("v0.1.0")
    assert (found is not None) == (kind == "lost reply")


@pytest.mark.parametrize("kind", ["cut", "lost reply", "status"])
def test_an_upload_is_not_sent_twice_since_gitlab_would_keep_both(
    served: Served, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "app.txt"
    file.write_bytes(b"tea")
    gitlab = connected(served.url, naps=[])
    served.fail(kind, method="PUT")
    with pytest.raises(Unavailable):
        gitlab.packages.upload("app", "1.0.0", file.name, file, "0" * 64)
    assert len(served.sent("PUT")) == 1


def test_a_pipeline_whose_answer_was_lost_is_found_again(served: Served) -> None:
    gitlab = connected(served.url, naps=[])
    served.fail("lost reply", method="POST", path="*/pipeline")
    with pytest.raises(Unavailable):
        start(gitlab)
    found = gitlab.ci.find("main", head(gitlab), "R-1")
    assert found is not None
    assert len(served.sent("POST", "/pipeline")) == 1


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("gitlab.example.com", "write a full address"),
        ("http://gitlab.example.com", "write https://"),
        ("https://me:secret@gitlab.example.com", "write no user or password"),
    ],
)
def test_an_address_that_would_leak_or_lead_nowhere_is_refused(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Connection(url=url, token="$TOKEN")


def test_a_pipeline_for_another_commit_that_cannot_be_canceled_is_named(served):
    gitlab = connected(served.url)
    served.fail("status", path="*/cancel", count=None)
    with pytest.raises(Conflict, match="and not at the planned aaaaaaaaaaaa") as refused:
        gitlab.ci.start("main", "a" * 40, "R-1 pipeline", {})
    assert re.search(r"Cancel \S+/pipelines/\d+ there: it runs", refused.value.hint)
    assert len([one for one in served.sent("POST") if one.endswith("/pipeline")]) == 1
