"""Registers the catalogue with a Prefect server: work pool and deployments, again and again with the same result.

Runs as a process of its own (`python -m deployments.apply`): it imports every flow.
"""

import argparse
import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.catalog import POOL, TAG, Deployment
from deployments.launch import wait_for
from deployments.timetables import register_timetables
from gare.errors import InternalError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.flows import Flow

RUN_MODULE = "prefect.engine"


def apply(catalog: Iterable[Deployment], *, worker_folder: Path, worker_limit: int) -> list[str]:
    """Make the server's pool and deployments as the catalogue says; return the deployments as `flow/name`.

    The server is the one of the environment (PREFECT_API_URL). `worker_limit` is how many runs may be alive at once.
    """
    from prefect.client.orchestration import get_client

    flows = [(entry, load_flow(entry.flow)) for entry in catalog]
    with get_client(sync_client=True) as client:
        _apply_pool(client, worker_limit)
        known = {
            _apply_deployment(client, entry, flow, job_variables(entry, worker_folder))
            for entry, flow in flows
        }
        _drop_others(client, known)
    return sorted(f"{flow.name}/{entry.name}" for entry, flow in flows)


def load_flow(name: str) -> "Flow[..., Any]":
    """Import a flow by "module:function". Raises InternalError when there is none."""
    from prefect.flows import Flow

    module, _, function = name.partition(":")
    found = getattr(importlib.import_module(module), function, None)
    if not isinstance(found, Flow):
        raise InternalError(
            f"The catalogue names {name}, which is no flow.", where="deployments/catalog.py"
        )
    return found


def strict_schema(flow: "Flow[..., Any]") -> dict[str, Any]:
    """Return the parameter schema with unknown parameters refused: Prefect lets them pass and the run dies of them."""
    from prefect.utilities.callables import parameter_schema

    schema = parameter_schema(flow).model_dump_for_openapi() | {"additionalProperties": False}
    for field in schema["properties"].values():
        # The form's heading; the parameter's own name says nothing to a person.
        field["title"] = flow.name.capitalize()
    return schema


def job_variables(entry: Deployment, worker_folder: Path) -> dict[str, str]:
    """Return how the process worker starts a run: one process (its default takes two), in a folder it owns.

    The flow's module is imported first: Prefect imports it with the working folder in front of everything else.
    """
    from prefect.utilities.processutils import command_to_string

    launch = [sys.executable, "-m", "deployments.launch", "--warm", entry.module, RUN_MODULE]
    command = command_to_string(launch)
    return {"command": command, "working_dir": str(worker_folder)}


def _apply_pool(client: "SyncPrefectClient", worker_limit: int) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    about = "Runs of Gare's flows, each a process on this machine."
    pool = WorkPoolCreate(
        name=POOL,
        type="process",
        description=about,
        base_job_template=template,
        concurrency_limit=worker_limit,
    )
    try:
        client.create_work_pool(pool)
    except ObjectAlreadyExists:
        # Not with overwrite=True: that would also set going a pool that a person has paused.
        change = WorkPoolUpdate(
            description=about, base_job_template=template, concurrency_limit=worker_limit
        )
        client.update_work_pool(POOL, change)


def _apply_deployment(
    client: "SyncPrefectClient", entry: Deployment, flow: "Flow[..., Any]", jobs: dict[str, str]
) -> str:
    # The server updates the deployment of the same name; what is not said here is reset.
    made = client.create_deployment(
        schedules=_schedules(client, f"{flow.name}/{entry.name}"),
        flow_id=client.create_flow_from_name(flow.name),
        name=entry.name,
        entrypoint=entry.entrypoint,
        description=entry.description,
        tags=[TAG, *entry.tags],
        parameters=dict(entry.parameters),
        parameter_openapi_schema=strict_schema(flow),
        enforce_parameter_schema=True,
        work_pool_name=POOL,
        job_variables=jobs,
        pull_steps=[],
    )
    return str(made)


def _schedules(client: "SyncPrefectClient", deployment: str) -> list["DeploymentScheduleCreate"]:
    """Return the schedules that a deployment has, as they are: one that a person has paused stays paused."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.exceptions import ObjectNotFound

    try:
        found = client.read_deployment_by_name(deployment)
    except ObjectNotFound:
        return []
    fields = ("schedule", "active", "parameters", "slug", "max_scheduled_runs")
    return [
        DeploymentScheduleCreate(**{name: getattr(one, name) for name in fields})
        for one in found.schedules
    ]


def _drop_others(client: "SyncPrefectClient", known: set[str]) -> None:
    """Take off what an older catalogue had: starting it could only fail."""
    found = client.request(
        "POST", "/deployments/filter", json={"deployments": {"tags": {"all_": [TAG]}}}
    )
    for item in found.json():
        if item["id"] not in known and item["work_pool_name"] == POOL:
            client.request("DELETE", "/deployments/{id}", path_params={"id": item["id"]})


def main(argv: list[str] | None = None) -> None:
    """Apply a catalogue once the server answers; imports meanwhile."""
    parser = argparse.ArgumentParser(prog="deployments.apply")
    parser.add_argument("--catalog", default="deployments.catalog:CATALOG")
    parser.add_argument("--worker-folder", type=Path, required=True)
    parser.add_argument("--worker-limit", type=int, required=True)
    parser.add_argument("--after", default="", help="wait for this address first")
    options = parser.parse_args(argv)
    module, _, name = options.catalog.partition(":")
    catalog: tuple[Deployment, ...] = getattr(importlib.import_module(module), name)
    import prefect.workers.process  # noqa: F401  -- imported while the server starts

    for entry in catalog:
        load_flow(entry.flow)
    if options.after:
        wait_for(options.after)
    for deployment in apply(
        catalog, worker_folder=options.worker_folder, worker_limit=options.worker_limit
    ):
        print(f"registered {deployment}")  # noqa: T201
    for told in register_timetables():
        print(told)  # noqa: T201


if __name__ == "__main__":
    main()
