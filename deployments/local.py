"""The one-machine station: `gare up` and `gare down`.

One supervisor a state folder, by its lock; in the foreground, or left running with `detach`.
"""

import errno
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

import psutil

from deployments import internals
from deployments.child import Program
from deployments.processes import describe, end, find, marked, port_holder, with_descendants
from deployments.seed import plant
from deployments.spec import StationSpec
from deployments.supervisor import Say, Supervisor, listening
from gare.config.loader import Station
from gare.errors import ConfigError, GareError, Refused
from gare.station_state import (
    Phase,
    Record,
    StateFolder,
    hold,
    is_held,
    read_record,
    running,
    write_record,
)

EXTRAS = (Program("reconciler", "The reconciler", ("gare.reconciler",)),)
"""What a station has besides server and worker."""

_DOWN_S = 45.0
_KINDS: dict[str, type[GareError]] = {"ConfigError": ConfigError, "Refused": Refused}


def spec_of(station: Station) -> StationSpec:
    """Return what a configured station consists of."""
    config = station.config
    return StationSpec(
        name=config.name,
        root=station.root,
        state=station.state,
        host=config.server.host,
        port=config.server.port,
        gateway_host=config.gateway.host if config.gateway else "",
        gateway_port=config.gateway.port if config.gateway else None,
        worker_limit=config.worker_limit,
        worker=config.worker,
        extras=EXTRAS,
    )


def up(
    spec: StationSpec, *, say: Say, on_ready: Callable[[Record], None] = lambda record: None
) -> None:
    """Run a station in this process until Ctrl-C, SIGTERM, SIGHUP or `gare down`; leave nothing running.

    Raises Refused when one is up already, ConfigError for a port or state folder that cannot be used, GareError when
    it does not start or a child keeps dying.
    """
    spec = replace(spec, root=spec.root.resolve(), state=spec.state.resolve())
    folder = spec.folder
    folder.prepare()
    with hold(folder) as is_ours:
        if not is_ours:
            raise _already_up(spec.state)
        with listening() as requests:
            clean(folder, say)
            if spec.worker == "warm" and (reason := internals.why_not()):
                say(f"The stock worker starts the runs, which takes longer: {reason}.")
            supervisor = Record(describe(psutil.Process(), "supervisor"))
            write_record(folder, supervisor)
            try:
                spec = with_ports(spec)
                plant(folder)
                Supervisor(spec, say, requests, on_ready).run(supervisor)
            finally:
                folder.record.unlink(missing_ok=True)


def up_detached(spec: StationSpec, *, say: Say) -> Record:
    """Start a station that outlives this process; return when it is ready. Raises as `up` does."""
    spec.folder.prepare()
    with spec.folder.log("supervisor").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "deployments.local"],
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=os.name != "nt",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    try:
        return _follow(child, spec, say)
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise


def down(state: Path, *, say: Say) -> None:
    """End the station of this state folder and wait until nothing of it runs. Fine when none is up."""
    folder = StateFolder(state.resolve())
    if not is_held(folder):
        if not clean(folder, say):
            say("No station is up here.")
        return
    supervisor = _ask_to_end(folder)
    say("Ending the station …")
    deadline = time.monotonic() + _DOWN_S
    while is_held(folder):
        if time.monotonic() > deadline:
            say(f"It did not end within {_DOWN_S:g} s and is killed.")
            end([supervisor] if supervisor else [], grace_s=0)
            break
        time.sleep(0.05)
    clean(folder, say)
    say("The station has ended; nothing of it runs any more.")


def clean(folder: StateFolder, say: Say) -> bool:
    """End what a killed supervisor left running, and forget it; tell whether there was anything."""
    record = read_record(folder)
    known = [process for child in (record.children if record else ()) if (process := find(child))]
    left = {process.pid: process for process in with_descendants([*known, *marked(folder.root)])}
    if left:
        count = "one process" if len(left) == 1 else f"{len(left)} processes"
        numbers = ", ".join(str(pid) for pid in sorted(left))
        say(f"A station was killed here and left {count} running ({numbers}): ending them.")
        end(left.values())
    elif folder.record.exists():
        say("A station was killed here; nothing of it runs any more. Going on from its state.")
    else:
        return False
    folder.record.unlink(missing_ok=True)
    return True


def with_ports(spec: StationSpec) -> StationSpec:
    """Return the spec with the ports to listen on. Raises ConfigError when one cannot be used."""
    port = usable_port("server", spec.host, spec.port)
    if spec.gateway_port is None:
        return replace(spec, port=port)
    gateway_port = usable_port("gateway", spec.gateway_host, spec.gateway_port)
    return replace(spec, port=port, gateway_port=gateway_port)


def usable_port(section: str, host: str, port: int) -> int:
    """Return the port to listen on; a free one for 0. `section` of station.yaml names it in the ConfigError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise _unusable_port(section, host, port, error) from error


def _unusable_port(section: str, host: str, port: int, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        holder = port_holder(port)
        return ConfigError(
            f"Port {port} is in use{f' by {holder}' if holder else ''}.",
            where=f"{host}:{port}",
            hint=f"End that program, or set another `{section}.port` in station.yaml (0 takes a free one).",
        )
    if error.errno == errno.EACCES:
        return ConfigError(
            f"You may not listen on port {port}.",
            where=f"{host}:{port}",
            hint=f"Set a `{section}.port` of 1024 or more in station.yaml.",
        )
    return ConfigError(
        f"The station cannot listen on {host}: {error.strerror or error}.",
        where=f"{host}:{port}",
        hint=f"Set `{section}.host` in station.yaml to an address of this machine, such as 127.0.0.1.",
    )


def _already_up(state: Path) -> Refused:
    record = running(state)
    if record is None or not record.ui_url:
        return Refused(
            "Another `gare up` or `gare down` is at work here.",
            where=str(state),
            hint="Wait a moment, then try again.",
        )
    if record.phase is Phase.STOPPING:
        return Refused(
            "The station that was up here is just ending.",
            where=str(state),
            hint="Wait a moment, then try again.",
        )
    return Refused(
        f"A station is up here already: {record.ui_url}",
        where=f"process {record.supervisor.pid}, state in {state}",
        hint="Use it, or end it with `gare down`.",
    )


def _ask_to_end(folder: StateFolder) -> psutil.Process | None:
    for _ in range(20):  # a supervisor holds the lock an instant before it has written its record
        record = read_record(folder)
        process = find(record.supervisor) if record else None
        if process:
            with suppress(psutil.Error):
                process.terminate()
            return process
        time.sleep(0.05)
    return None


def _follow(child: subprocess.Popen[bytes], spec: StationSpec, say: Say) -> Record:
    """Hand over the spec and read what the detached supervisor reports until it is ready or has failed."""
    assert child.stdin is not None  # noqa: S101 -- both are pipes
    assert child.stdout is not None  # noqa: S101
    with suppress(BrokenPipeError):
        child.stdin.write(json.dumps(asdict(spec), default=str).encode())
        child.stdin.close()
    for line in child.stdout:
        report = json.loads(line)
        if "say" in report:
            say(report["say"])
        elif "error" in report:
            child.wait()
            raise _KINDS.get(report["kind"], GareError)(**report["error"])
        elif "ready" in report and (record := running(spec.state.resolve())):
            return record
    raise GareError(
        f"The station did not start (exit code {child.wait()}).",
        where=f"log {spec.folder.log('supervisor')}",
        hint="Read the log there.",
    )


def _detached(source: IO[str]) -> int:
    """Be the supervisor that `up_detached` started: report on stdout until ready, then write to the log."""
    data: dict[str, Any] = json.load(source)
    data |= {"root": Path(data["root"]), "state": Path(data["state"])}
    extras = [
        Program(e["name"], e["title"], tuple(e["words"]), tuple(e["options"]))
        for e in data["extras"]
    ]
    is_ready = False

    def report(**line: Any) -> None:
        with suppress(OSError):  # whoever started us may have gone
            print(json.dumps(line), flush=True)  # noqa: T201

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201
        if not is_ready:
            report(say=text)

    def on_ready(record: Record) -> None:
        nonlocal is_ready
        is_ready = True
        report(ready=record.ui_url)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)

    try:
        up(StationSpec(**{**data, "extras": tuple(extras)}), say=say, on_ready=on_ready)
    except GareError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201
        if not is_ready:
            content = {"what": error.what, "where": error.where, "hint": error.hint}
            report(kind=type(error).__name__, error=content)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_detached(sys.stdin))
