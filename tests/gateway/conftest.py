"""The gateway over a real ledger and real files, with a hand-written engine, called as HTTP calls it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from gare.config.loader import load_station
from gare.errors import Conflict, NotFound
from gare.gateway.app import make_app
from gare.run_lists import Run
from gare.wiring import Gare

STATION = """
name: test
people:
  - {name: alice, email: alice@example.org, groups: [managers]}
  - {name: bob, email: bob@example.org, groups: [developers]}
"""
PROJECT = "name: NAME\nsource: {type: git, path: ../NAME, branch: main}\n"


class FakeEngine:
    """Keeps runs as the engine does: the same key of a deployment gives the same run.

    Other parameters under it are a Conflict.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any], str]] = []
        self.started: dict[str, dict[str, Any]] = {}
        self._by_key: dict[tuple[str, str], str] = {}
        self._next_error: Exception | None = None

    def fail_next(self, error: Exception) -> None:
        self._next_error = error

    def start(
        self, request: Mapping[str, Any], *, deployment: str = "", idempotency_key: str = ""
    ) -> Run:
        self._fail()
        json.dumps(request, ensure_ascii=False).encode()  # as it is sent
        self.calls.append((deployment, dict(request), idempotency_key))
        run_id = self._by_key.get((deployment, idempotency_key)) or str(uuid4())
        if idempotency_key:
            self._by_key[deployment, idempotency_key] = run_id
        if self.started.setdefault(run_id, dict(request)) != dict(request):
            raise Conflict("The key has been used.", where=f"run {run_id}")
        return self.run(run_id)

    def requests_of(self, idempotency_key: str) -> dict[str, Any]:
        self._fail()
        run_ids = [run for (_, key), run in self._by_key.items() if key == idempotency_key]
        return {run_id: self.started[run_id] for run_id in run_ids}

    def run(self, run_id: str) -> Run:
        self._fail()
        if run_id not in self.started:
            raise NotFound(
                "Cannot read the run: the Prefect server does not know it.",
                where="GET http://127.0.0.1:4720/api/flow_runs/x",
                hint="`gare up` registers the deployments; is this the right station?",
            )
        return Run(run_id, "release shop", "SCHEDULED", "Scheduled", "")

    def run_address(self, run_id: str) -> str:
        return f"http://127.0.0.1:4200/runs/flow-run/{run_id}"

    def _fail(self) -> None:
        error, self._next_error = self._next_error, None
        if error is not None:
            raise error


@dataclass(frozen=True)
class GareWithFake(Gare):
    """A station whose engine is the fake."""

    fake: FakeEngine = field(default_factory=FakeEngine)

    @cached_property
    def engine(self) -> FakeEngine:
        return self.fake


class Api:
    """A caller. Its token is alice's until another person is named; "" is nobody's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.gare = GareWithFake(load_station(root))
        self.engine = self.gare.fake
        self.app = make_app(self.gare, wrong_token_s=0.01)
        self._tokens: dict[str, str] = {}

    def token(self, person: str) -> str:
        if person not in self._tokens:
            self._tokens[person] = self.gare.ledger.tokens.create(person, actor="test")
        return self._tokens[person]

    def call(
        self, method: str, path: str, body: Any = None, *, person: str = "alice", **more: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token(person)}"} if person else {}
        headers |= more.pop("headers", {})
        if body is not None:
            more["json"] = body

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://gate") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(send())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.call("POST", path, body, **more)


@pytest.fixture
def new_api(tmp_path: Path):
    """Give the way to open a station with these lines in its file, and in its project's."""

    def make(station: str = "", project: str = "") -> Api:
        (tmp_path / "station.yaml").write_text(STATION + station)
        (tmp_path / "projects").mkdir(exist_ok=True)
        (tmp_path / "projects" / "shop.yaml").write_text(PROJECT.replace("NAME", "shop") + project)
        return Api(tmp_path)

    return make


@pytest.fixture
def api(new_api) -> Api:
    return new_api()


def told(reply: httpx.Response) -> tuple[int, str, str]:
    """Return status, detail and where of a problem, having checked its form."""
    assert reply.headers["content-type"] == "application/problem+json"
    found = reply.json()
    assert found["status"] == reply.status_code
    assert found["request_id"] == reply.headers["x-request-id"]
    assert "Traceback" not in reply.text
    return found["status"], found["detail"], found["where"]


@pytest.fixture(name="told")
def _told():
    return told


@pytest.fixture
def release(api, story):
    return story.tell(api.gare.ledger, api.root / "store", api.root)
