"""Lays out what one run of the matrix needs, and says what is asked for. Starts nothing."""

from pathlib import Path
from typing import Any

from earlier import tell_earlier
from scenarios import Scenario, copy_template, head_of, name_ticket
from vendors import Vendors, key_of

from gare.domain.plan import Kind


def lay_out(station: Path, scenario: Scenario, name: str, hook: str, vendors: Vendors) -> None:
    """Make the projects of a run of their template, and its train; called again when the ledger was away."""
    template = station / "templates" / scenario.name
    for project in scenario.projects(name):
        folder = folder_of(station, project)
        if not folder.exists():
            copy_template(template, folder)
        text = scenario.gare_yaml(project, folder, hook)
        (station / "projects" / f"{project}.yaml").write_text(text)
    if scenario.train:
        folder_of(station, name).mkdir(exist_ok=True)
        (station / "trains" / f"{name}.yaml").write_text(scenario.train.format(name=name))
    if scenario.is_hosted:
        folder = folder_of(station, name)
        vendors.add(name, folder / "remote.git")
        name_ticket(folder, f"{key_of(name)}-1")
    for project in scenario.projects(name) if scenario.before else ():
        tell_earlier(station, project, scenario.before)


def take_out(station: Path, scenario: Scenario, name: str) -> None:
    """Take a run's projects out of the station; their folders stay."""
    (station / "trains" / f"{name}.yaml").unlink(missing_ok=True)
    for project in scenario.projects(name):
        (station / "projects" / f"{project}.yaml").unlink(missing_ok=True)


def folder_of(station: Path, subject: str) -> Path:
    """Return where a project has its repository and targets, and a train what it announces."""
    return station / "p" / subject.removeprefix("train:")


def asked_for(station: Path, scenario: Scenario, name: str) -> dict[str, Any]:
    """Return the request that starts the run."""
    request: dict[str, Any] = {"project": name, "requested_by": "alice"}
    match scenario.kind:
        case Kind.ROLLBACK:
            return request | {"environment": scenario.environments[0]}
        case Kind.HOTFIX:
            return request | {"commits": [head_of(folder_of(station, name))]}
        case Kind.TRAIN:
            return {"name": name, "requested_by": "alice"}
        case _:
            return request
