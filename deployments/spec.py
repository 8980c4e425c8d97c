"""What a station consists of: its processes and their environment, as data. Starts nothing."""

import os
from dataclasses import dataclass
from pathlib import Path

from deployments import internals
from deployments.catalog import POOL
from deployments.child import RESTARTS, Program
from deployments.polls import TICK_S
from deployments.processes import MARK_VARIABLE
from gare.station_state import StateFolder

CATALOG = "deployments.catalog:CATALOG"
CATALOG_VARIABLE = "GARE_CATALOG"
"""Tells the warm worker whose modules to import ahead."""
_WORKER_MODULES = {"process": "prefect.workers.process", "warm": "deployments.warm_worker"}


@dataclass(frozen=True, slots=True)
class StationSpec:
    """What a station consists of. Paths are absolute; `port` 0 takes a free one.

    `extras` are started when the station is ready, each as `python -m WORDS`, and kept running like the others.
    """

    name: str
    root: Path
    state: Path
    host: str = "127.0.0.1"
    port: int = 4200
    gateway_host: str = "127.0.0.1"
    gateway_port: int | None = None
    """None: the station has no gateway."""
    worker_limit: int = 10
    worker: str = "warm"
    """`warm` or `stock`: how runs are started."""
    catalog: str = CATALOG
    extras: tuple[Program, ...] = ()
    start_timeout_s: float = 120.0
    restarts: int = RESTARTS
    """How often a child may be started again within WINDOW_S; then the station ends."""
    restart_wait_s: float = 1.0
    """First wait before a child is started again; doubles with each death, up to `restart_wait_limit_s`."""
    restart_wait_limit_s: float = 60.0

    @property
    def folder(self) -> StateFolder:
        """Return the state folder."""
        return StateFolder(self.state)

    @property
    def base_url(self) -> str:
        """Return where this machine reaches the server (also when it listens on every address)."""
        return _address(self.host, self.port)

    @property
    def gateway_url(self) -> str:
        """Return where this machine reaches the gateway; empty when there is none."""
        return "" if self.gateway_port is None else _address(self.gateway_host, self.gateway_port)

    @property
    def worker_name(self) -> str:
        """Return the name under which the server knows our worker."""
        return f"{self.name}-worker"

    @property
    def worker_type(self) -> str:
        """Return the type of Prefect worker that serves this station."""
        return "warm" if self.worker == "warm" and not internals.why_not() else "process"


def programs(spec: StationSpec) -> list[Program]:
    """Return what a station starts. All at once: worker and apply import Prefect while the server starts."""
    api = f"{spec.base_url}/api"
    return [
        Program(
            "server",
            "The Prefect server",
            ("deployments.engine_server", "--host", spec.host, "--port", str(spec.port)),
        ),
        Program(
            "apply",
            "Registering the deployments",
            (
                *("deployments.apply", "--catalog", spec.catalog, "--after", f"{api}/health"),
                *("--worker-folder", str(spec.folder.worker)),
                *("--worker-limit", str(spec.worker_limit)),
            ),
        ),
        Program(
            "worker",
            "The worker",
            (
                *("prefect", "worker", "start", "--pool", POOL, "--type", spec.worker_type),
                *("--name", spec.worker_name, "--install-policy", "never"),
            ),
            # The pool is there when apply has made it; the worker would make one of its own otherwise.
            (
                *("--warm", f"prefect.cli.worker,{_WORKER_MODULES[spec.worker_type]}"),
                *("--after", f"{api}/work_pools/{POOL}"),
            ),
        ),
    ]


def gateway(spec: StationSpec) -> Program:
    """Return the gateway as a program: started once the deployments are there that it starts runs of."""
    return Program(
        "gateway",
        "The gateway",
        ("gare.gateway", "--host", spec.gateway_host, "--port", str(spec.gateway_port)),
    )


def child_env(spec: StationSpec) -> dict[str, str]:
    """Return the environment of every process of the station.

    The user's own Prefect settings do not reach it (a Cloud key, another server's address), except for logging.
    Reasons for each: docs/decisions/0010-station.md.
    """
    env = {name: value for name, value in os.environ.items() if _may_keep(name)}
    return env | {
        "GARE_STATION": str(spec.root),
        MARK_VARIABLE: str(spec.state),
        CATALOG_VARIABLE: spec.catalog,
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "OPENBLAS_NUM_THREADS": env.get("OPENBLAS_NUM_THREADS", "1"),
        "DO_NOT_TRACK": "1",
        "NO_COLOR": "1",
        "PREFECT_HOME": str(spec.folder.prefect),
        "PREFECT_API_URL": f"{spec.base_url}/api",
        # Relative: the UI works through a tunnel, a proxy, and under every name of the machine.
        "PREFECT_UI_API_URL": "/api",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # The warm worker decides at each of these ticks whether to ask.
        "PREFECT_WORKER_QUERY_SECONDS": f"{TICK_S:g}" if spec.worker_type == "warm" else "1",
        **_QUIET_SERVER,
    }


_QUIET_SERVER = {
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "15",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "15",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS": "30",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT15S",
}
"""The server's own loops, most of them each 5 s by default, took half of its CPU while nothing happened. We set no
timeouts on pauses; late runs, changed schedules and automations are seen within 15 s."""


def _address(host: str, port: int) -> str:
    there = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{there}]:{port}" if ":" in there else f"http://{there}:{port}"


def _may_keep(name: str) -> bool:
    if name == "PYTHONDONTWRITEBYTECODE":  # without bytecode each start takes seconds longer
        return False
    return not name.startswith("PREFECT_") or name.startswith("PREFECT_LOGGING_")
