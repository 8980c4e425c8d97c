"""The simulated Jira under requests that nobody thought of: made from the descriptions, a few for each operation."""

import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from sandbox import MISSING, Served, descriptions, sandboxed

EXAMPLES = 4
FOLDER = descriptions()
SEED = {
    "projects": {
        "SHOP": {
            "versions": ["1.1.0"],
            "issues": [{"key": "SHOP-1", "title": "One", "versions": ["1.1.0"]}],
            "boards": [{"name": "Shop", "sprints": [{"name": "S1", "issues": ["SHOP-1"]}]}],
        }
    }
}
FILES = {"cloud": "jira-cloud-v3.json", "data-center": "jira-cloud-v2.json"}
pytestmark = pytest.mark.skipif(FOLDER is None, reason=MISSING)


@pytest.fixture(scope="module", params=["cloud", "data-center"])
def deployment(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def served(deployment: str) -> Iterator[Served]:
    with sandboxed({"jira": {**SEED, "deployment": deployment}}, is_counted=False) as up:
        yield up


def plain(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def described(served: Served, file: str) -> Any:
    """The description, cut to what the simulator answers."""
    import schemathesis

    assert FOLDER is not None
    document = json.loads((FOLDER / file).read_text())
    jira = served.sandbox.vendors["jira"]
    known = {(m, plain(path)) for m, path in set(jira.routes.operations()) - set(jira.gaps)}
    document["paths"] = {
        path: {m: item for m, item in methods.items() if (m.upper(), plain(path)) in known}
        for path, methods in document["paths"].items()
    }
    return schemathesis.openapi.from_dict(document)


def parts(served: Served) -> dict[str, str]:
    """Names of parts of paths, each with something that is there."""
    state = served.sandbox.vendors["jira"].state
    board, sprint = next(iter(state.boards)), next(iter(state.sprints))
    return {
        "issueIdOrKey": "SHOP-1",
        "projectIdOrKey": "SHOP",
        "boardId": str(board),
        "issueTypeId": "1",
        "sprintId": str(sprint),
        "id": state.projects["SHOP"].versions[0].id,
    }


def good(deployment: str, file: str) -> dict[str, Any]:
    """Bodies that are answered with a yes, by the path of their POST."""
    if file != "platform":
        return {}
    text: Any = "*words*"
    if deployment == "cloud":
        words = [{"type": "text", "text": "words"}]
        text = {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": words}]}
    fields = {"project": {"key": "SHOP"}, "issuetype": {"name": "Task"}, "summary": "One more"}
    return {
        "/issue": {"fields": fields},
        "/issue/{}/comment": {"body": text},
        "/issue/{}/remotelink": {"object": {"url": "https://example.org", "title": "One"}},
        "/issue/{}/transitions": {"transition": {"id": "21"}},
        "/version": {"name": "2.0.0", "project": "SHOP"},
    }


@pytest.mark.parametrize("file", ["platform", "jira-agile.json"])
def test_the_simulator_never_breaks_and_never_answers_what_is_not_declared(
    served: Served, deployment: str, file: str
) -> None:
    there, seen, done = parts(served), 0, set[str]()
    user, turns = {"auth": ("gare@example.org", "sandbox-token")}, count()
    for found in described(served, FILES[deployment] if file == "platform" else file).get_all_operations():  # fmt: skip
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.path_parameters.update({name: there[name] for name in case.path_parameters})
            path = plain(case.path.replace("/rest/api/3/", "/").replace("/rest/api/2/", "/"))
            fits = good(deployment, file).get(path)
            # Every second request has what no generator would guess, beside what it made up.
            if case.method == "POST" and fits and next(turns) % 2 == 0:
                case.body = fits
            reply = case.call(base_url=f"{served.url}/jira", **user)
            assert reply.status_code < 500, f"{case.method} {case.path}: {reply.text}"
            if reply.status_code < 400:
                done.add(f"{case.method} {case.path}")

        ask()
        seen += 1
    assert seen >= (18 if file == "platform" else 6)
    # A simulator that refused everything would pass, too.
    wanted = {f"POST {path}" for path in good(deployment, file)}
    assert wanted <= {
        plain(one.replace("/rest/api/3/", "/").replace("/rest/api/2/", "/")) for one in done
    }
    assert len(done) >= (22 if file == "platform" else 5), sorted(done)
