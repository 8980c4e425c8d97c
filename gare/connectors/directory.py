"""Target `directory`: releases side by side in a folder of this machine, and a link `current` to the live one.

    PATH/current -> releases/1.4.0      switched in one rename
    PATH/releases/1.4.0/                one folder a version, with a marker file; renamed into place when whole
    PATH/shared/                        files that all versions use
    PATH/logs/1.4.0.log                 what the start command and its service print
    PATH/.gare/                         lock and state: previous version, last completed change

Does single moves, each safe to repeat after a crash at any point; their order is gare/strategies/replace.py. Writes
nothing outside PATH (and its logs of commands in the station's folder).
"""

import os
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from gare.connectors.directory_layout import MARKER, Layout, ReleaseFolder
from gare.connectors.probe import (
    Health,
    Surroundings,
    VersionQuestion,
    ask_health,
    ask_version,
    wait_for,
)
from gare.connectors.process import allowed_env, run
from gare.errors import ConfigError, StepFailed
from gare.ports.target import Abilities, Running, Say
from gare.settings import Command, Duration, Settings


def _shared(paths: tuple[str, ...]) -> tuple[str, ...]:
    for path in paths:
        pure = PurePosixPath(path)
        if (
            not pure.parts
            or pure.is_absolute()
            or ".." in pure.parts
            or "\\" in path
            or "\0" in path
        ):
            raise ValueError(
                f"`{path}` is not a path inside the release; write one such as `data` or `var/uploads`"
            )
        if pure.parts[0] == MARKER:
            raise ValueError(f"`{path}` is Gare's own file")
        if any(PurePosixPath(other) in pure.parents for other in paths):
            raise ValueError(f"`{path}` lies in another shared path; write the outer one only")
    return paths


def _path(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise ValueError("write a folder, such as `/srv/shop` or `deploy/staging`")
    return value


class DirectorySettings(Settings):
    """A folder on this machine, changed by switching a link."""

    type: Literal["directory"] = "directory"
    strategy: Literal["replace"] = "replace"
    """How the running version gives way to the new one."""
    path: Annotated[str, AfterValidator(_path)]
    """Folder of the target; relative to the file it is written in. It is made when missing."""
    unpack: bool = True
    """Unpack archives (.tar.gz .tgz .tar.bz2 .tar.xz .tar .zip) into the release's folder, or keep them as files."""
    strip: Annotated[int, Field(ge=0, le=10)] = 0
    """Leading folders to drop from the names inside archives, as `tar --strip-components` does."""
    shared: Annotated[tuple[str, ...], AfterValidator(_shared)] = ()
    """Paths that all versions share, such as `data`; kept in `shared/` and linked. A name with a dot is a file."""
    start: Command | None = None
    """Starts the service, in the release's folder. It may leave a process running."""
    stop: Command | None = None
    """Stops the service. It should succeed, too, when nothing runs."""
    restart: Command | None = None
    """Replaces stop and start between two versions, such as `systemctl --user restart shop`."""
    health: Health | None = None
    version: VersionQuestion | None = None
    """How to ask the service for its version; without it the link is read, which says less."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 5
    """How many versions stay; the live, the previous and the last good one always do."""
    command_timeout: Duration = timedelta(minutes=5)
    """How long start, stop and restart may take."""


class Directory(ReleaseFolder):
    """One folder on this machine as a target."""

    def __init__(
        self,
        settings: DirectorySettings,
        base: Path,
        *,
        log_folder: Path,
        env_names: Sequence[str] = (),
    ) -> None:
        root = Path(os.path.abspath(base / Path(settings.path).expanduser()))
        if root == Path(root.anchor):
            raise ConfigError(
                "A target cannot be the root of the file system.",
                where=f"path {settings.path}",
                hint="Name a folder.",
            )
        super().__init__(
            root, Layout(settings.keep, settings.shared, settings.unpack, settings.strip)
        )
        self._settings, self._log_folder, self._env_names = settings, log_folder, env_names

    @property
    def address(self) -> str:
        """Return the root of the address that health or version are asked at; empty when neither is asked by HTTP."""
        for question in (self._settings.health, self._settings.version):
            if url := getattr(question, "url", ""):
                parts = urlsplit(url)
                return f"{parts.scheme}://{parts.netloc}/"
        return ""

    @property
    def strategy(self) -> str:
        """Name the strategy the target is changed with."""
        return self._settings.strategy

    @property
    def abilities(self) -> Abilities:
        """Tell which moves do something here."""
        it = self._settings
        return Abilities(
            has_start=it.start is not None,
            has_stop=it.stop is not None,
            has_restart=it.restart is not None,
            has_health=it.health is not None,
            shared=it.shared,
            keep=it.keep,
        )

    def stop(self, version: str, say: Say) -> None:
        """Run the stop command in the version's folder."""
        self._run("stop", self._settings.stop, version, say)

    def start(self, version: str, say: Say) -> None:
        """Run the start command in the version's folder; what it leaves running stays."""
        self._run("start", self._settings.start, version, say)

    def restart(self, version: str, say: Say) -> None:
        """Run the restart command in the version's folder; what it leaves running stays."""
        self._run("restart", self._settings.restart, version, say)

    def running(self, say: Say, expect: str = "") -> Running:
        """Ask the service for its version; without a way to ask, read the link and say so."""
        question = self._settings.version
        if question is None:
            live = self.live()
            return Running(
                live,
                f"{self._current} points to it; the service was not asked (no `version:` configured)",
            )
        around = self._surroundings("version", say)
        answer = wait_for(lambda: ask_version(question, around, expect), question, say)
        if not answer.value:
            raise StepFailed(
                "It cannot be told which version runs.",
                where=answer.evidence,
                hint="See whether the service is up and what it answers there.",
            )
        return Running(answer.value, answer.evidence)

    def check_health(self, say: Say) -> str:
        """Wait until the service is healthy."""
        health = self._settings.health
        if health is None:
            return "no health check configured"
        around = self._surroundings("health", say)
        answer = wait_for(lambda: ask_health(health, around), health, say)
        if not answer.is_right:
            raise StepFailed(
                f"{self.live() or 'The service'} is not healthy after {health.timeout.total_seconds():g} s.",
                where=answer.evidence,
                hint=f"Read {self.output(self.live())}."
                if self.output(self.live()).exists()
                else "",
            )
        return answer.evidence

    def _run(self, action: str, command: tuple[str, ...] | None, version: str, say: Say) -> None:
        if command is None:
            return
        folder = self.folder(version)
        say(f"{action} {version}: {' '.join(command)}")
        run(
            command,
            cwd=folder,
            env=self._env(version),
            timeout_s=self._settings.command_timeout.total_seconds(),
            log=self._log(f"{version}-{action}"),
            say=say,
            label=f"{action}: {command[0]}",
            background=None if action == "stop" else self.output(version),
        )

    def _env(self, version: str) -> dict[str, str]:
        marker = self.facts(version) if version else {}
        facts = {
            f"GARE_{name.upper()}": str(marker.get(name, ""))
            for name in ("project", "version", "environment", "release", "commit")
        }
        return allowed_env(self._env_names, {**facts, "GARE_PATH": str(self._root)})

    def _surroundings(self, action: str, say: Say) -> Surroundings:
        live = self.live()
        cwd = self.folder(live) if live else self._root
        return Surroundings(cwd, self._env(live), self._log(f"{live or 'none'}-{action}"), say)

    def _log(self, name: str) -> Path:
        return self._log_folder / f"{self._root.name}-{name}-{time.time_ns() // 1_000_000}.log"
