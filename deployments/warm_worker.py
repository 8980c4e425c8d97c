"""The warm worker: Prefect's process worker, with runs forked from a zygote instead of started from nothing.

`prefect worker start --type warm --pool …`; it serves pools of the type `process`, so that a station can change between
the two at any time. A run that the zygote cannot serve - a command that is not ours, an environment that only a new
interpreter takes in - is started as the process worker does.
"""

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
from prefect.flows import load_flow_from_flow_run
from prefect.utilities.processutils import command_from_string
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from deployments import internals
from deployments.forks import CannotFork, Fork, Nursery
from deployments.polls import Polls
from deployments.processes import MARK_VARIABLE
from deployments.spec import CATALOG, CATALOG_VARIABLE
from gare.station_state import StateFolder

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, WorkPool

_READ_AT_START = ("PYTHON", "LD_", "OPENBLAS_", "OMP_", "MKL_", "LC_", "LANG", "TZ")
"""Variables that an interpreter or a library reads once, when it starts."""


_is_reported: ContextVar[bool] = ContextVar("is_reported", default=False)
"""Whether the executor has recorded the crash of the attempt that this task is about."""


class Starter:
    """Starts one run for Prefect's executor: forks it and waits for its end."""

    def __init__(
        self,
        nursery: Nursery,
        module: str,
        configuration: ProcessJobConfiguration,
        folder: Path,
        control: Any,
    ) -> None:
        self._nursery = nursery
        self._module = module
        self._configuration = configuration
        self._folder = folder
        self._control = control

    async def start(
        self,
        flow_run: "FlowRun",
        task_status: anyio.abc.TaskStatus[Any] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Report the process as soon as it is there; return when it has ended."""
        control = internals.open_control(self._control, flow_run.id)
        env = internals.run_environment(flow_run.id, self._configuration.env, control)
        is_quiet = not self._configuration.stream_output
        with contextlib.ExitStack() as unless_forked:
            unless_forked.callback(self._control.unregister, flow_run.id)
            fork = await self._fork(env, is_quiet=is_quiet)
            unless_forked.pop_all()
        task_status.started(internals.handle_of(fork))
        await fork.wait()

    async def _fork(self, env: Mapping[str, str], *, is_quiet: bool) -> Fork:
        # Asked for at the last moment: an upgrade may have put another in the place of the one there was before.
        zygote = await self._nursery.zygote(self._module)
        if zygote is None:
            raise CannotFork("there is no process that forks runs; worker.log says why")
        return await zygote.fork(env, self._folder, is_quiet=is_quiet)


class WarmWorker(ProcessWorker):
    """See the module."""

    type = "warm"
    _display_name = "Gare: warm processes"
    _description = "Execute flow runs as processes forked from one that has imported Gare's flows."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._nursery = Nursery(
            catalogue_modules(), internals.settings_environment, self._logger.warning
        )
        state = os.environ.get(MARK_VARIABLE)
        self._polls = Polls(StateFolder(Path(state)).bell if state else None)

    async def get_and_submit_flow_runs(self) -> list["FlowRun"]:
        """Ask the server for runs when that is due; Prefect calls this at every tick."""
        if not self._polls.is_due():
            self._last_polled_time = datetime.now(UTC)
            return []
        runs = await super().get_and_submit_flow_runs()
        if runs:
            self._polls.found()
        return runs

    async def setup(self) -> None:
        """Begin to make the zygote, so that it is there for the first run."""
        await super().setup()
        assert self._runs_task_group is not None  # noqa: S101 -- made by setup
        if not internals.why_not():
            self._runs_task_group.start_soon(self._nursery.zygote)

    async def teardown(self, *exc_info: Any) -> None:
        """Let go of the zygote when the runs are over."""
        try:
            await super().teardown(*exc_info)
        finally:
            self._nursery.close()

    async def run(
        self,
        flow_run: "FlowRun",
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Fork the run and see it to its end."""
        module = warm_module(configuration)
        zygote = await self._nursery.zygote(module) if module else None
        if zygote is None:
            return await super().run(flow_run, configuration, task_status)
        async with _folder(configuration) as folder:
            return await self._run_warm(flow_run, configuration, module, folder, task_status)

    async def _run_warm(
        self,
        flow_run: "FlowRun",
        configuration: ProcessJobConfiguration,
        module: str,
        folder: Path,
        task_status: anyio.abc.TaskStatus[int] | None,
    ) -> ProcessWorkerResult:
        results = []
        _is_reported.set(False)
        crashes: list[bool] = []
        async with internals.executor_context() as context:
            starter = Starter(self._nursery, module, configuration, folder, context.control_channel)
            executor = context.create_executor(
                flow_run,
                starter,
                propose_submitting=False,
                hook_runner=internals.crash_hooks(
                    load_flow_from_flow_run, lambda: crashes.append(True)
                ),
            )

            async def execute(*, task_status: anyio.abc.TaskStatus[Any]) -> None:
                results.append(await executor.submit(task_status=task_status))

            async with anyio.create_task_group() as group:
                handle = await group.start(execute)
                if task_status is not None:
                    task_status.started(handle.pid)
        _is_reported.set(bool(crashes))
        if not results or results[0] is None:
            raise RuntimeError("Failed to start flow run process.")
        # None: whoever knew the exit code has died. The reconciler sees whether the run has ended properly.
        return ProcessWorkerResult(
            status_code=results[0].status_code or 0, identifier=str(handle.pid)
        )

    async def _propose_crashed_state(
        self, flow_run: "FlowRun", message: str, client: "PrefectClient | None" = None
    ) -> None:
        """Report a crash once: the stock worker does again, seconds later, and hits the run's next attempt."""
        if not _is_reported.get():
            await super()._propose_crashed_state(flow_run, message, client)

    def _record_work_pool_snapshot(self, work_pool: "WorkPool") -> None:
        if work_pool.type == ProcessWorker.type and work_pool.base_job_template:
            self._work_pool = work_pool.model_copy(deep=True)
        else:  # it warns of a pool that is for other workers
            super()._record_work_pool_snapshot(work_pool)


def catalogue_modules() -> list[str]:
    """Return the modules of the station's flows."""
    module, _, name = os.environ.get(CATALOG_VARIABLE, CATALOG).partition(":")
    return [entry.module for entry in getattr(importlib.import_module(module), name)]


def warm_module(configuration: ProcessJobConfiguration) -> str:
    """Return the module that the run's command wants imported; empty when the run must not be forked."""
    words = command_from_string(configuration.command or "")
    ours = ["-m", "deployments.launch", "--warm"]
    if words[1:4] != ours or words[5:] != [internals.RUN_MODULE] or internals.why_not():
        return ""
    if Path(words[0]).parent != Path(sys.executable).parent:  # `python` and `python3` are the same
        return ""
    return "" if _needs_new_interpreter(configuration.env) else words[4]


def _needs_new_interpreter(env: Mapping[str, str | None]) -> bool:
    names = {*env, *os.environ}
    return any(
        env.get(name) != os.environ.get(name) for name in names if name.startswith(_READ_AT_START)
    )


@contextlib.asynccontextmanager
async def _folder(configuration: ProcessJobConfiguration) -> AsyncIterator[Path]:
    if configuration.working_dir:
        yield Path(configuration.working_dir).resolve()
        return
    with tempfile.TemporaryDirectory(suffix="prefect") as name:
        yield Path(name).resolve()
