"""How the engine is asked, against a server that is there for nothing else."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect.server.schemas.filters import DeploymentFilter, FlowFilter, FlowRunFilter
from prefect.server.schemas.sorting import FlowRunSort

from gare.engine import INTERRUPTED, UNAVAILABLE, Engine, has_ended
from gare.run_lists import Run


class Busy(ThreadingHTTPServer):
    """Makes every run that is asked for, and answers the first request as what stands before a server does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.runs: dict[str, dict] = {}

    def make(self, body: dict) -> dict:
        key = body.get("idempotency_key") or f"none {len(self.asked)}"
        self.asked.append(key)
        run = {"id": f"run-{len(self.runs)}", "name": body["name"], **body}
        return self.runs.setdefault(key, run)


class _Handler(BaseHTTPRequestHandler):
    server: Busy

    def do_GET(self) -> None:
        self._answer(200, {"id": "d-1"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        made = self.server.make({**body, "state": None})
        self._answer(504 if len(self.server.asked) == 1 else 201, made)

    def _answer(self, status: int, body: dict) -> None:
        self.send_response(status)
        text = json.dumps(body).encode()
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def busy() -> Iterator[Busy]:
    with Busy() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_start_whose_answer_was_lost_before_the_server_makes_one_run(busy):
    engine = Engine(f"http://127.0.0.1:{busy.server_port}/api")
    run = engine.start({"project": "shop"})
    assert len(busy.asked) == 2
    assert list(busy.runs) == busy.asked[:1]
    assert run.id == "run-0"


def test_two_starts_of_the_same_are_two_runs(busy):
    engine = Engine(f"http://127.0.0.1:{busy.server_port}/api")
    assert engine.start({"project": "shop"}).id != engine.start({"project": "shop"}).id


@pytest.mark.parametrize(
    ("type_", "name", "is_end"),
    [
        ("FAILED", "Refused", True),
        ("COMPLETED", "Released", True),
        ("RUNNING", "Running", False),
        ("CRASHED", "Crashed", False),
        ("FAILED", UNAVAILABLE, False),
        ("FAILED", INTERRUPTED, False),
    ],
)
def test_a_run_that_is_brought_on_has_not_ended(type_, name, is_end):
    assert has_ended(Run("run-1", "release shop", type_, name, "")) is is_end


def test_runs_under_way_are_asked_for_as_the_engine_understands_it():
    class Recorder:
        def call(self, method, path, body=None, *, what, reads=False):
            assert (method, path, reads) == ("POST", "/flow_runs/filter", True)
            FlowRunFilter.model_validate(body["flow_runs"])
            FlowFilter.model_validate(body["flows"])
            DeploymentFilter.model_validate(body["deployments"])
            FlowRunSort(body["sort"])
            return [{"name": "owl", "parameters": {"request": {"name": "weekly"}}}]

    engine = Engine("http://127.0.0.1:4200/api")
    engine.api = Recorder()
    runs = engine.under_way("train/gare")
    assert runs == [("owl", {"name": "weekly"})]


@pytest.mark.parametrize(
    ("state", "has_process", "wanted"),
    [
        ("RUNNING", True, "CANCELLING"),
        ("RUNNING", False, "CANCELLED"),
        ("PAUSED", True, "CANCELLED"),
        ("FAILED", True, "CANCELLED"),
        ("CRASHED", True, "CANCELLED"),
        ("COMPLETED", True, None),
        ("CANCELLED", True, None),
    ],
)
def test_what_is_cancelled_is_shown_as_such_and_what_has_ended_well_stays(
    state, has_process, wanted
):
    class Recorder:
        asked = None

        def call(self, method, path, body=None, *, what, reads=False):
            if method == "GET":
                return {"id": "r", "name": "owl", "state": {"type": state, "name": state}}
            self.asked = body["state"]["type"]
            return None

    engine = Engine("http://127.0.0.1:4200/api")
    engine.api = Recorder()
    engine.cancel("r", has_process=has_process)
    assert engine.api.asked == wanted
