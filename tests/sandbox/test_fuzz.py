"""The sandbox under requests that nobody thought of: generated from the descriptions, a few for each operation."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from gitlab_project import GITLAB, TOKEN
from hypothesis import HealthCheck, given, settings
from sandbox import MISSING, Served, descriptions, sandboxed

from gare.sandbox.vendor import Operation

EXAMPLES = 6
FOLDER = descriptions()
pytestmark = pytest.mark.skipif(FOLDER is None, reason=MISSING)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with sandboxed({"gitlab": GITLAB}, is_counted=False) as up:
        yield up


@pytest.fixture(scope="module")
def described(served: Served) -> Any:
    """The description, cut to what the simulator answers."""
    import schemathesis

    assert FOLDER is not None
    document = json.loads((FOLDER / "gitlab.json").read_text())
    gitlab = served.sandbox.vendors["gitlab"]
    known = set(gitlab.routes.operations()) - set(gitlab.gaps)
    document["paths"] = {
        path: {method: item for method, item in methods.items() if (method.upper(), path) in known}
        for path, methods in document["paths"].items()
    }
    return schemathesis.openapi.from_dict(document)


def test_the_simulator_never_breaks_and_never_answers_what_is_not_declared(
    served: Served, described: Any
) -> None:
    seen: set[Operation] = set()
    done: set[Operation] = set()
    number = str(served.sandbox.vendors["gitlab"].projects[0].id)
    for found in described.get_all_operations():
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
            case.path_parameters["id"] = number
            case.headers = {**(case.headers or {}), "PRIVATE-TOKEN": TOKEN}
            reply = case.call(base_url=f"{served.url}/gitlab")
            assert reply.status_code < 500, f"{case.method} {case.path}: {reply.text}"
            if reply.status_code < 400:
                done.add((case.method, case.path))

        ask()
        seen.add((operation.method.upper(), operation.path))
    assert len(seen) >= 50
    # A sandbox that refused everything would pass, too.
    assert len(done) >= 25, sorted(done)
