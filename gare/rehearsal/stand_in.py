"""The configuration of the throw-away station: whatever would reach out of it has a stand-in, or a note in its place.

Pure. Paths are relative to the folder of the project's file, `projects/`.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gare.config.models import (
    ProjectConfig,
    ProjectEnvironment,
    Publish,
    ServerSettings,
    StationConfig,
    Step,
    StepType,
)
from gare.connectors.connection import Connection
from gare.connectors.directory import DirectorySettings
from gare.connectors.git_settings import GitSettings
from gare.connectors.notify_settings import FileNoteSettings
from gare.connectors.registry import AnnounceSettings, TargetSettings

ENVIRONMENTS, ANNOUNCEMENTS, SOURCE = "../environments", "../announcements", "../source"
_SOAK = _EVERY = timedelta(seconds=1)
_OWN_COMMANDS = ("build", "test")
"""Steps whose commands work in a checkout alone, as in every release."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """A project as it is rehearsed. `notes` say what is not rehearsed, `replaced` what stands in for a step."""

    config: ProjectConfig
    notes: tuple[str, ...]
    replaced: Mapping[str, str]


def stand_in(project: ProjectConfig, branch: str, gitlab_path: str = "") -> StandIn:
    """Return a project that touches nothing real. `gitlab_path` is its path in the sandbox's GitLab."""
    replaced = [step for step in project.steps if _is_foreign(step)]
    changed: dict[str, object] = {
        "source": _source(project.source, branch),
        "environments": {
            name: _environment(name, said) for name, said in project.environments.items()
        },
        "publish": _publish(project.publish),
        "announce": tuple(_announcements(project.announce)),
        "steps": tuple(_step(step) for step in project.steps),
        "freezes": (),
    }
    if project.gitlab:
        path = gitlab_path or project.gitlab.project
        changed["gitlab"] = project.gitlab.model_copy(
            update={"project": path, "freeze_periods": False}
        )
    return StandIn(
        project.model_copy(update=changed),
        tuple(_notes(project, replaced)),
        {step.id: _untold(step) for step in replaced},
    )


def stand_in_station(
    station: StationConfig, addresses: Mapping[str, str], tokens: Mapping[str, str]
) -> StationConfig:
    """Return a station with the real one's people and rules, whose connections lead to these addresses.

    Only the connections named in `addresses` are kept; `tokens` are references to the sandbox's tokens.
    """
    connections: dict[str, Connection] = {
        name: station.connections[name].model_copy(
            update={"url": url, "token": tokens[name], "ca_file": ""}
        )
        for name, url in addresses.items()
    }
    return StationConfig(
        name=station.name,
        server=ServerSettings(port=0),
        gateway=False,
        worker=station.worker,
        people=station.people,
        rights=station.rights,
        environments=station.environments,
    ).model_copy(update={"connections": connections})


def _source(real: GitSettings, branch: str) -> GitSettings:
    publishes = bool(real.remote or real.url)
    return GitSettings(
        path=SOURCE,
        branch=branch,
        remote="origin" if publishes else "",
        tag_prefix=real.tag_prefix,
        paths=real.paths,
    )


def _environment(name: str, real: ProjectEnvironment) -> ProjectEnvironment:
    changed: dict[str, object] = {"target": _target(name, real.target)}
    if real.soak:
        changed["soak"] = _SOAK
    return real.model_copy(update=changed)


def _target(name: str, real: TargetSettings) -> TargetSettings:
    """Return a folder that is switched as the real one. A service is not started there, so it is not asked either."""
    asked = {} if _runs_service(real) else {"health": real.health, "version": real.version}
    own = {key: said for key, said in asked.items() if said is not None and not _asks_address(said)}
    return DirectorySettings(
        path=f"{ENVIRONMENTS}/{name}",
        unpack=real.unpack,
        strip=real.strip,
        shared=real.shared,
        keep=real.keep,
    ).model_copy(update=own)


def _runs_service(target: DirectorySettings) -> bool:
    return any((target.start, target.stop, target.restart))


def _asks_address(question: object) -> bool:
    return bool(getattr(question, "url", ""))


def _publish(real: Publish) -> Publish:
    notes = f"{ANNOUNCEMENTS}/{{project}}-{{version}}.md" if real.notes_file else ""
    return real.model_copy(update={"notes_file": notes})


def _announcements(real: Sequence[AnnounceSettings]) -> Iterator[FileNoteSettings]:
    for number, place in enumerate(real, 1):
        yield FileNoteSettings(type="file", path=f"{ANNOUNCEMENTS}/{number}-{place.type}.md")


def _is_foreign(step: Step) -> bool:
    """Tell whether a step's command may reach anything at all."""
    return step.type is StepType.RUN and not step.skip and step.id not in _OWN_COMMANDS


def _step(step: Step) -> Step:
    changed: dict[str, object] = {}
    if step.type is StepType.PIPELINE:
        changed["every"] = _EVERY
    if _is_foreign(step):
        say = f"print({_untold(step)!r})"
        changed |= {"command": (sys.executable, "-c", say), "undo": None}
    return step.model_copy(update=changed) if changed else step


def _untold(step: Step) -> str:
    return f"not rehearsed: `{' '.join(step.command or ())}`"


def _notes(project: ProjectConfig, replaced: Sequence[Step]) -> Iterator[str]:
    for step in replaced:
        command = " ".join(step.command or ())
        yield f"step {step.id}: `{command}` may reach anything, so it is not run"
    for name, said in project.environments.items():
        if _runs_service(said.target):
            yield f"{name}: the service is not started, stopped or asked; its files alone are switched"
        elif any(_asks_address(asked) for asked in (said.target.health, said.target.version)):
            yield f"{name}: the address of the real one is not asked"
        if said.soak:
            yield f"{name}: the soak takes {_SOAK.total_seconds():g} s"
    for place in project.announce:
        if place.type != "file":
            yield f"announcement by {place.type}: written to a file"
