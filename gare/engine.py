"""The bridge to the engine: start, find, resume, cancel runs over Prefect's own REST API (3.8).

Speaks HTTP instead of importing Prefect: a command answers in a fraction of the second that the import takes.
Facts about the calls: docs/decisions/0003-engine-over-rest.md.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from gare import run_lists
from gare.engine_api import EngineApi
from gare.errors import ConfigError, Conflict
from gare.run_lists import Listed, Run, run_of

DEPLOYMENT = "release/gare"


def deployment_of(kind: str) -> str:
    """Name the deployment that runs releases of a kind."""
    return f"{kind}/gare"


TAG = "gare"
"""On every deployment of ours (deployments/catalog.py)."""
UNAVAILABLE = "Unavailable"
"""Name of the end of a run that met a vendor or another system that is away: it is brought on until that is back."""
INTERRUPTED = "Interrupted"
"""Name of the end of a run that the engine or the ledger was away from: it is brought on, a limited number of times."""
BROUGHT_ON = (UNAVAILABLE, INTERRUPTED)
"""Names of ends that are none: the reconciler brings these runs on by itself."""
NEEDS_ATTENTION = "NeedsAttention"
"""Name of the end of a run that a person must look at."""
LATE = "Late"
"""Name of the state of a run that no worker has taken in time."""
ALIVE = ("RUNNING", "PENDING", "CANCELLING")
"""States in which a process should be there."""
_MOST = 1000
"""As many as the UI's picture takes at once."""


def has_ended(run: Run) -> bool:
    """Tell whether a run has ended for good: one that crashed, or met something that was away, is brought on."""
    return run.is_over and run.state_type != "CRASHED" and run.state_name not in BROUGHT_ON


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule of a deployment as the engine has it; `when` is its rule with its zone."""

    path: str
    slug: str
    when: Mapping[str, Any]
    parameters: Mapping[str, Any]
    is_active: bool

    @property
    def deployment_path(self) -> str:
        """Where the deployment is that it belongs to."""
        return self.path.partition("/schedules/")[0]


class Engine:
    """A Prefect server's API. `url` ends in /api. Every call raises ConnectorError with a hint.

    `bell` is a file that the worker of this machine watches: touched when there is a run for it.
    """

    def __init__(self, url: str, *, timeout_s: float = 15, bell: Path | None = None) -> None:
        self._bell = bell
        if not url:
            raise ConfigError(
                "No station is up here.",
                where="state folder",
                hint="Start it with `gare up`, then try again.",
            )
        self.url = url.rstrip("/")
        self.ui_url = self.url.removesuffix("/api")
        self.api = EngineApi(self.url, timeout_s=timeout_s)

    def is_healthy(self) -> bool:
        """Tell whether the server answers."""
        return self.api.is_healthy()

    def start(
        self,
        request: Mapping[str, Any],
        *,
        deployment: str = DEPLOYMENT,
        idempotency_key: str = "",
        at: datetime | None = None,
    ) -> Run:
        """Create a run of a deployment with `request` as its one parameter, to begin now or `at` an instant.

        The same key again gives the run it made before; other parameters under it are a Conflict. Without one the call
        has a key of its own: what stands before a busy server may have passed it on.
        """
        key = idempotency_key or uuid4().hex
        found = self.api.call("GET", f"/deployments/name/{deployment}", what="find the deployment")
        body: dict[str, Any] = {
            "parameters": {"request": dict(request)},
            "state": {"type": "SCHEDULED"},
            "idempotency_key": key,
            "name": " ".join(
                (deployment.partition("/")[0], request.get("project") or request.get("name") or "")
            ).strip(),
        }
        if at is not None:
            body["state"]["state_details"] = {"scheduled_time": at.isoformat()}
        made = self.api.call(
            "POST", f"/deployments/{found['id']}/create_flow_run", body, what="start the run"
        )
        if made["parameters"].get("request") != dict(request):
            raise Conflict(
                f"The key {key!r} has been used for another request.",
                where=f"run {made['id']}",
                hint="Take a new key for a new request.",
            )
        self.ring()
        return run_of(made)

    def requests_of(self, idempotency_key: str) -> dict[str, Any]:
        """Return what the runs with a key were asked for, by run, whatever their deployment."""
        body = {
            "flow_runs": {"idempotency_key": {"any_": [idempotency_key]}},
            "limit": run_lists.PAGE,
        }
        found = self.api.call(
            "POST", "/flow_runs/filter", body, what="look for the key", reads=True
        )
        return {item["id"]: item["parameters"].get("request") for item in found}

    def under_way(self, deployment: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the newest runs of a deployment whose time has come and that have not ended: name and request."""
        flow, _, name = deployment.partition("/")
        states = ["SCHEDULED", "PAUSED", "CRASHED", *ALIVE]
        wanted = {
            "expected_start_time": {"before_": datetime.now(UTC).isoformat()},
            "state": {
                "operator": "or_",
                "type": {"any_": states},
                "name": {"any_": list(BROUGHT_ON)},
            },
        }
        body = {
            "flow_runs": wanted,
            "flows": {"name": {"any_": [flow]}},
            "deployments": {"name": {"any_": [name]}},
            "sort": "EXPECTED_START_TIME_DESC",
            "limit": run_lists.PAGE,
        }
        found = self.api.call("POST", "/flow_runs/filter", body, what="read runs", reads=True)
        return [(item["name"], item["parameters"].get("request") or {}) for item in found]

    def schedules(self, deployment: str) -> list[Schedule]:
        """Return the schedules of a deployment."""
        found = self.api.call("GET", f"/deployments/name/{deployment}", what="find the deployment")
        return [
            Schedule(
                f"/deployments/{found['id']}/schedules/{item['id']}",
                item["slug"] or "",
                {key: value for key, value in item["schedule"].items() if value is not None},
                item["parameters"],
                is_active=item["active"],
            )
            for item in found["schedules"]
        ]

    def make_schedule(self, deployment: str, slug: str, fields: Mapping[str, Any]) -> None:
        """Give a deployment one more schedule: `schedule`, `active`, `parameters`."""
        found = self.api.call("GET", f"/deployments/name/{deployment}", what="find the deployment")
        body = [{**fields, "slug": slug}]
        with self._runs_kept(f"/deployments/{found['id']}") as path:
            self.api.call("POST", f"{path}/schedules", body, what="make the schedule")

    def change_schedule(
        self, schedule: Schedule, *, active: bool, parameters: Mapping[str, Any]
    ) -> None:
        """Let a schedule rest or go on. The engine (3.8) forgets parameters that are not sent along."""
        body = {"active": active, "parameters": dict(parameters)}
        with self._runs_kept(schedule.deployment_path):
            self.api.call("PATCH", schedule.path, body, what="change the schedule")

    def drop_schedule(self, schedule: Schedule) -> None:
        """Take a schedule away, with the runs that it has planned."""
        with self._runs_kept(schedule.deployment_path):
            self.api.call("DELETE", schedule.path, what="remove the schedule")

    @contextmanager
    def _runs_kept(self, deployment_path: str) -> Iterator[str]:
        """Plan the runs of a deployment's schedules anew when one of them has changed.

        The engine (3.8) then removes the planned runs of all of them, and plans them up to a minute later: what was to
        begin meanwhile would never begin.
        """
        since = datetime.now(UTC)
        yield deployment_path
        body = {"start_time": since.isoformat()}
        self.api.call(
            "POST", f"{deployment_path}/schedule", body, what="plan the runs of the schedules"
        )

    def add_to_description(self, deployment: str, heading: str, text: str) -> None:
        """Put a text below a heading at the end of what the UI says of a deployment, in the place of the one there."""
        found = self.api.call("GET", f"/deployments/name/{deployment}", what="find the deployment")
        own = (found["description"] or "").partition(heading)[0].rstrip()
        wanted = f"{own}\n\n{heading}\n\n{text}" if text else own
        if found["description"] != wanted:
            with self._runs_kept(f"/deployments/{found['id']}") as path:
                self.api.call(
                    "PATCH", path, {"description": wanted}, what="describe the deployment"
                )

    def run(self, run_id: str) -> Run:
        """Read one run. Raises NotFound."""
        return run_of(self.api.call("GET", f"/flow_runs/{run_id}", what="read the run"))

    def runs(self, run_ids: list[str]) -> dict[str, Run]:
        """Read many runs at once, by id; those the engine does not know are absent.

        One that it knows and cannot tell of has no state.
        """
        return run_lists.named(self._filter, run_ids)

    def moving(self, ended_after: datetime) -> Listed:
        """Return our runs that should have a process, that no worker took, or that ended since an instant."""
        return run_lists.every(self._filter, _moving(ended_after))

    def unreadable(self, ended_after: datetime) -> list[str]:
        """Return the ids of those of them that the engine has and cannot tell of: it fails for lists with one."""
        body = {**_moving(ended_after), "limit": _MOST}
        # Made for the UI's picture of runs, it reads no parameters.
        listed = self.api.call("POST", "/ui/flow_runs/history", body, what="count runs", reads=True)
        found = self.runs([item["id"] for item in listed])
        return [run.id for run in found.values() if not run.state_type]

    def _filter(self, body: Mapping[str, Any]) -> list[Run]:
        found = self.api.call("POST", "/flow_runs/filter", body, what="read runs", reads=True)
        return [run_of(item) for item in found]

    def resume(self, run_id: str) -> bool:
        """Wake a suspended run. False when it is not suspended now (a wake-up is never a decision)."""
        reply = self.api.call("POST", f"/flow_runs/{run_id}/resume", {}, what="resume the run")
        self.ring()
        return str(reply["status"]) == "ACCEPT"

    def retry(self, run_id: str) -> None:
        """Bring a run that ended or died on again, as the same run."""
        self._set_state(run_id, {"type": "SCHEDULED", "name": "AwaitingRetry"})

    def begin(self, run_id: str) -> None:
        """Let a run that was created for later begin now."""
        self._set_state(run_id, {"type": "SCHEDULED"})

    def cancel(self, run_id: str, *, has_process: bool = True) -> None:
        """End a run: a waiting one at once, a running one by its worker, which stops the process.

        One that failed or crashed is shown as cancelled from then on: nobody is to look after it any more.
        """
        run = self.run(run_id)
        if run.state_type in ("COMPLETED", "CANCELLED"):
            return
        is_alive = run.state_type in ALIVE and has_process
        state = {"type": "CANCELLING"} if is_alive else {"type": "CANCELLED"}
        self._set_state(run_id, state)

    def give_up(self, run_id: str, reason: str) -> None:
        """Show a run as one that needs a person."""
        state = {"type": "FAILED", "name": NEEDS_ATTENTION, "message": reason}
        self._set_state(run_id, state)

    def rename(self, run_id: str, name: str, tags: list[str]) -> None:
        """Give a run its name and tags."""
        self.api.call(
            "PATCH", f"/flow_runs/{run_id}", {"name": name, "tags": tags}, what="name the run"
        )

    def publish(self, run_id: str, key: str, markdown: str, description: str) -> None:
        """Show a page in the run's artifacts; the same key again is its next version."""
        body = {
            "flow_run_id": run_id,
            "key": key,
            "type": "markdown",
            "data": markdown,
            "description": description,
        }
        self.api.call("POST", "/artifacts/", body, what="publish a page")

    def artifact(self, key: str) -> str:
        """Return the id of the newest artifact with this key; empty when there is none."""
        # What `/artifacts/KEY/latest` calls its id is that of all versions together, which cannot be changed.
        body = {"artifacts": {"key": {"any_": [key]}}, "limit": 1}
        found = self.api.call("POST", "/artifacts/latest/filter", body, what=f"find {key}")
        return str(found[0]["latest_id"]) if found else ""

    def publish_progress(
        self, run_id: str, key: str, percent: float, description: str, *, artifact: str = ""
    ) -> str:
        """Show a progress bar, or move the one whose id is given; return its id."""
        if artifact:
            body = {"data": percent, "description": description}
            self.api.call("PATCH", f"/artifacts/{artifact}", body, what="move the progress bar")
            return artifact
        made = self.api.call(
            "POST",
            "/artifacts/",
            {
                "flow_run_id": run_id,
                "key": key,
                "type": "progress",
                "data": percent,
                "description": description,
            },
            what="show the progress bar",
        )
        return str(made["id"])

    def run_address(self, run_id: str) -> str:
        """Return where a person looks at the run."""
        return f"{self.ui_url}/runs/flow-run/{run_id}"

    def _set_state(self, run_id: str, state: dict[str, Any]) -> None:
        body = {"state": state, "force": True}
        self.api.call("POST", f"/flow_runs/{run_id}/set_state", body, what="change the run's state")
        self.ring()

    def ring(self) -> None:
        """Let the worker of this machine look for runs at once."""
        if self._bell is not None:
            with suppress(OSError):
                self._bell.touch()


def _moving(ended_after: datetime) -> dict[str, Any]:
    """Return the filter of our runs that move, or have just ended."""
    states = {"operator": "or_", "type": {"any_": list(ALIVE)}, "name": {"any_": [LATE]}}
    wanted = {
        "operator": "or_",
        "state": states,
        "end_time": {"after_": ended_after.isoformat()},
    }
    return {
        "flow_runs": wanted,
        "deployments": {"tags": {"all_": [TAG]}},
        "sort": "ID_DESC",
    }
