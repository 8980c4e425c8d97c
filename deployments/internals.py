"""All that Gare takes from inside Prefect, for one version of it: how a worker runs a process, what a process keeps.

`why_not` guards it: with another Prefect nothing here is used and the stock worker runs. Nothing is imported from
Prefect before it is needed; the supervisor asks here, too.
"""

import os
import runpy
import sys
import warnings
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.schemas.objects import FlowRun, State
    from prefect.flows import Flow
    from prefect.runner._control_channel import ControlChannel
    from prefect.runner._flow_run_executor import FlowRunExecutorContext
    from prefect.runner._hook_runner import HookRunner
    from prefect.runner._process_manager import ProcessHandle

PREFECT = "3.8.8"
"""The version whose insides this file knows."""

RUN_MODULE = "prefect.engine"
"""What a run's process becomes."""

IMPORTS = (
    RUN_MODULE,
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect._internal.metrics",
    "prefect.client.orchestration",
    "prefect.events.clients",
    "prefect.events.worker",
    "prefect.logging.handlers",
    "prefect.utilities.visualization",
    "anyio._backends._asyncio",
    "encodings.idna",
    "prefect._internal.observers",
    "rich._emoji_codes",
    # What our flows import when they first need it.
    "git",
    "psutil",
    "ruamel.yaml",
    "sqlalchemy.dialects.sqlite",
    "gare.connectors.directory",
    "gare.connectors.git",
    "gare.connectors.notify",
    "gare.connectors.tracker_file",
    "gare.strategies.replace",
    "gare.strategies.rollout",
)
"""What every run imports sooner or later. Great Expectations is not among it (docs/decisions/0012-warm-worker.md)."""

_SYSTEMS = {"darwin": "macOS", "win32": "Windows"}
_SETTINGS_FILES = ("prefect.toml", "pyproject.toml", ".env")
"""What Prefect reads in the working folder."""


def why_not(
    platform: str = sys.platform, *, has_fork: bool = hasattr(os, "fork"), engine: str = ""
) -> str:
    """Say why runs cannot be forked here; empty when they can. `engine`: Prefect's version, else the installed one."""
    if not has_fork or platform == "darwin":
        # macOS has the call, and libraries that break in a fork: Python itself does not use it there.
        return f"forking is not possible on {_SYSTEMS.get(platform, platform)}"
    found = engine or _installed()
    return "" if found == PREFECT else f"Prefect is {found} and not {PREFECT}"


def _installed() -> str:
    try:
        return version("prefect")
    except PackageNotFoundError:
        return "missing"


def executor_context() -> "FlowRunExecutorContext":
    """Return what watches over one run: state proposals, cancellation, hooks."""
    from prefect.runner._flow_run_executor import FlowRunExecutorContext

    return FlowRunExecutorContext()


def handle_of(process: Any) -> "ProcessHandle":
    """Wrap anything with `pid` and `returncode` for the executor."""
    from prefect.runner._process_manager import ProcessHandle

    return ProcessHandle(process)


def crash_hooks(
    resolve: "Callable[[FlowRun], Awaitable[Flow[Any, Any]]]", on_crashed: Callable[[], None]
) -> "HookRunner":
    """Return the runner of a flow's hooks; `on_crashed` is called when a crash has been recorded by the executor."""
    from prefect.runner._hook_runner import HookRunner

    class Telling(HookRunner):
        async def run_crashed_hooks(self, flow_run: "FlowRun", state: "State[Any]") -> None:
            on_crashed()
            await super().run_crashed_hooks(flow_run, state)

    return Telling(resolve_flow=resolve)


def open_control(channel: "ControlChannel", run: "UUID") -> dict[str, str]:
    """Expect a run on the control channel; return what it needs to find it. Empty when there is no channel."""
    try:
        port, token = channel.register(run)
    except RuntimeError:
        return {}
    return {"PREFECT__CONTROL_PORT": str(port), "PREFECT__CONTROL_TOKEN": token}


def run_environment(
    run: "UUID", own: Mapping[str, str | None], control: Mapping[str, str]
) -> dict[str, str]:
    """Return a run's whole environment, as Prefect's EngineCommandStarter makes it."""
    env: dict[str, str | None] = {**os.environ, **own, **settings_environment()}
    env |= {
        "PREFECT__FLOW_RUN_ID": str(run),
        "PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false",
        "PREFECT__DEPLOYMENT_NAME": own.get("PREFECT__DEPLOYMENT_NAME"),
        **control,
    }
    return {name: value for name, value in env.items() if value is not None}


def settings_environment() -> dict[str, str]:
    """Return this process's Prefect settings as variables, those of the profile included."""
    from prefect.settings import get_current_settings

    return get_current_settings().to_environment_variables(exclude_unset=True)


def settings_sources() -> object:
    """Return what Prefect's settings are read from, here and now: equal when reading them again changes nothing."""
    from prefect.settings import get_current_settings

    names = sorted(name for name in os.environ if name.startswith("PREFECT_") and name[8:9] != "_")
    files = (get_current_settings().profiles_path, *map(Path, _SETTINGS_FILES))
    stamps = [
        (str(file.resolve()), file.stat().st_mtime_ns) for file in files if file and file.exists()
    ]
    return [(name, os.environ[name]) for name in names], stamps


def renew(sources: object) -> None:
    """Read Prefect's settings, profile and logging anew if they are not those read from `sources`. Takes 0.1 s."""
    if settings_sources() == sources:
        return
    from prefect.context import refresh_global_settings_context
    from prefect.logging.configuration import setup_logging

    refresh_global_settings_context()
    setup_logging(incremental=False)


def run_engine() -> None:
    """Execute the run that the environment names; ends by SystemExit, or returns."""
    sys.argv = [RUN_MODULE]
    with warnings.catch_warnings():
        # It says that the module is imported already: that is the point.
        warnings.filterwarnings("ignore", message=".*found in sys.modules", category=RuntimeWarning)
        runpy.run_module(RUN_MODULE, run_name="__main__", alter_sys=True)
