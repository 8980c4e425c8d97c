"""Answers that are none, or of another shape: cut by the network, packed wrongly, of a page of maintenance."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from gitlab_project import GITLAB, connected
from sandbox import sandboxed

from gare.connectors.gitlab_issues import GitLabIssues
from gare.connectors.gitlab_settings import GitLabTrackerSettings
from gare.connectors.http_policy import HttpPolicy
from gare.connectors.jira import Jira
from gare.connectors.jira_boards import JiraBoards
from gare.connectors.jira_foresight import JiraForesight
from gare.connectors.jira_release import JiraRelease
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.errors import ConfigError, Unavailable, UnexpectedReply

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
CUT = {
    "by the connection": HEAD + b'Content-Length: 900\r\n\r\n[{"id":',
    "within a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n40\r\n[{",
    "packed wrongly": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
}


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[str]]]:
    """Answer every request with these bytes; give the address and what was asked."""
    asked: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                asked.append(client.recv(65536).split(b"\r\n")[0].decode())
                client.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def jira_parts(url: str, folder: Path) -> tuple[JiraTrackerSettings, JiraConnection, Path]:
    (folder / "token").write_text("sandbox-token")
    connection = JiraConnection(
        type="jira", url=f"{url}/jira", token="file:token", user="gare@example.org", deployment="cloud"
    )  # fmt: skip
    return JiraTrackerSettings(type="jira", connection="jira", project="SHOP"), connection, folder


@pytest.mark.parametrize("answer", CUT.values(), ids=list(CUT))
def test_an_answer_that_is_cut_is_asked_for_again_and_then_the_vendor_is_away(answer):
    with answering(answer) as (url, asked):
        gitlab = connected(url, naps=[])
        with pytest.raises(Unavailable, match="GitLab cannot be used now"):
            gitlab.freezes.freeze_periods()
    assert len(asked) >= 3


@pytest.mark.parametrize("answer", CUT.values(), ids=list(CUT))
def test_a_cut_answer_of_jira_is_no_defect_of_gare(answer, tmp_path):
    with answering(answer) as (url, _):
        release = JiraRelease(*jira_parts(url, tmp_path))
        with pytest.raises(Unavailable, match="Jira cannot be used now"):
            release.comment("SHOP-1", "out")


def test_an_address_that_leads_in_a_circle(tmp_path):
    there = b"HTTP/1.1 302 Found\r\nLocation: /jira/rest/api/3/myself\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with answering(there) as (url, _):
        with pytest.raises(UnexpectedReply, match="redirects"):
            JiraForesight(*jira_parts(url, tmp_path)).account()
        with pytest.raises(UnexpectedReply, match="redirects"):
            connected(url, naps=[]).freezes.freeze_periods()


GITLAB_READS: dict[str, Callable[[Any], object]] = {
    "pipeline": lambda g: g.ci.pipeline(1),
    "jobs": lambda g: g.ci.jobs(1),
    "tests": lambda g: g.ci.test_cases(1),
    "start": lambda g: g.ci.start("main", "a" * 40, "R-1", {}),
    "merge requests": lambda g: g.merge_requests.merged("main", None),
    "merge request": lambda g: g.merge_requests.find("a", "main"),
    "deployments": lambda g: g.environments.look("live", "a" * 40, "main"),
    "job's deployment": lambda g: g.environments.of_job(1),
    "user": lambda g: g.environments.user,
    "freezes": lambda g: g.freezes.freeze_periods(),
    "issues": lambda g: GitLabIssues(GitLabTrackerSettings(type="gitlab"), g.site).tickets(["#1"], "1"),
    "protected tags": lambda g: g.access.refused_tag("v1"),
    "release": lambda g: g.release_page.look("v1"),
    "package": lambda g: g.packages.look("a", "1", "a.zip"),
    "account": lambda g: g.access.lacking(),
}  # fmt: skip
JIRA_READS: dict[str, Callable[[Any], object]] = {
    "tickets": lambda parts: Jira(*parts).tickets(["SHOP-1"], "1.0", SINCE),
    "stands": lambda parts: JiraRelease(*parts).stands(["SHOP-1"]),
    "stand": lambda parts: JiraRelease(*parts).stand("SHOP-1"),
    "version": lambda parts: JiraRelease(*parts).versions.version("1.0"),
    "make version": lambda parts: JiraRelease(*parts).versions.make_version("1.0", ""),
    "move": lambda parts: JiraRelease(*parts).move("SHOP-1", "done", {}),
    "comment": lambda parts: JiraRelease(*parts).comment("SHOP-1", "out"),
    "comments": lambda parts: JiraRelease(*parts).has_comment("SHOP-1", "out"),
    "account": lambda parts: JiraForesight(*parts).account(),
    "rights": lambda parts: JiraForesight(*parts).lacking(["BROWSE_PROJECTS"]),
    "statuses": lambda parts: JiraForesight(*parts).unknown_status("Done"),
    "types": lambda parts: JiraForesight(*parts).refused_change("", "Change"),
    "change": lambda parts: JiraRelease(*parts).find_change("gare-1"),
    "sprints": lambda parts: JiraBoards(*parts).sprints("Board"),
}
ODD = {
    "maintenance": {"message": "maintenance"},
    "null": "null",
    "numbers": [1],
    "text in an object": {"issues": [{"key": 1, "fields": "x"}], "id": "y", "values": [{}]},
}


@pytest.mark.parametrize("body", ODD.values(), ids=list(ODD))
@pytest.mark.parametrize("read", GITLAB_READS.values(), ids=list(GITLAB_READS))
def test_data_of_another_shape_is_told_as_gitlabs_answer(read, body):
    with sandboxed({"gitlab": GITLAB}, is_counted=False) as served:
        gitlab = connected(served.url, naps=[])
        served.fail("status", status=200, body=body, count=None)
        with pytest.raises(UnexpectedReply, match="GitLab answered something"):
            read(gitlab)


@pytest.mark.parametrize("body", ["maintenance", "null", "numbers"])
@pytest.mark.parametrize("read", JIRA_READS.values(), ids=list(JIRA_READS))
def test_data_of_another_shape_is_told_as_jiras_answer(read, body, tmp_path):
    with sandboxed({"jira": {"projects": {}}}, is_counted=False) as served:
        served.fail("status", status=200, body=ODD[body], count=None)
        with pytest.raises(UnexpectedReply, match="Jira answered something"):
            read(jira_parts(served.url, tmp_path))


def test_data_that_does_not_say_that_it_is_data_is_read_all_the_same():
    with sandboxed({"gitlab": GITLAB}) as served:
        served.fail(
            "status", status=200, body=b'{"id": 1, "status": "running", "sha": "a", "ref": "main"}'
        )
        assert connected(served.url).ci.pipeline(1).said == "running"  # fmt: skip


def test_a_port_without_tls_is_no_question_of_trust():
    with sandboxed({"gitlab": GITLAB}) as served:
        gitlab = connected(served.url.replace("http:", "https:"), naps=[])
        with pytest.raises(ConfigError, match=r"GitLab does not speak TLS there.*Look at the port"):
            gitlab.freezes.freeze_periods()


def test_a_file_of_authorities_that_is_not_there_is_named(tmp_path):
    connection = JiraConnection(
        type="jira", url="https://jira.example.com", token="$TOKEN", ca_file="own.pem"
    )
    with pytest.raises(
        ConfigError, match=r"There is no file .*/own\.pem\. \(connections, the Jira"
    ):
        HttpPolicy.of("Jira", connection, tmp_path, "atl-traceid")
