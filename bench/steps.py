"""step-overhead: a release of N `run` steps beside a plain Prefect flow of N tasks that run the same command.

CPU seconds of client and server until the server is idle, on the same real server, in turns. Ours writes the ledger,
logs and events besides.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.measure import compare, medians

STEPS = 60
ROUNDS = 5
PLAIN = """
import asyncio, subprocess, sys
from prefect import flow, task

@task
def run(number):
    subprocess.run([sys.executable, "-I", "-S", "-c", "print(1)"], check=True, stdout=subprocess.DEVNULL)

@flow
async def plain():
    futures = [run.with_options(task_run_name=f"run-{number}").submit(number) for number in range(%d)]
    await asyncio.gather(*[asyncio.wrap_future(future.wrapped_future) for future in futures])

asyncio.run(plain())
"""
OURS = """
import asyncio
from deployments.launch import without_slow_import
with without_slow_import():  # as every process of a station is started
    from flows.release import release
    from gare.requests import ReleaseRequest
print(asyncio.run(release(ReleaseRequest(project="bench"), return_state=True)))
"""


@contextmanager
def server(folder: Path) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """Run a real Prefect server on a free port, as a station starts it: for the yardsticks, too."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {
        **os.environ,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
    }
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [
        sys.executable,
        "-m",
        "deployments.engine_server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    process = psutil.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        import httpx

        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{env['PREFECT_API_URL']}/health", trust_env=False).is_success:
                    break
            except httpx.HTTPError:
                time.sleep(0.3)
        yield process, env
    finally:
        tree = [*process.children(recursive=True), process]
        for member in tree:
            member.terminate()
        psutil.wait_procs(tree, timeout=20)


def project(folder: Path) -> None:
    """Make a station with a project of N steps side by side."""
    command = f"{sys.executable} -I -S -c 'print(1)'"
    steps = "\n".join(
        f'  - {{id: run-{number}, type: run, command: "{command}", needs: [plan]}}'
        for number in range(STEPS)
    )
    skipped = "\n".join(
        f"  - {{id: {name}, type: {name}, skip: true}}"
        for name in ("build", "test", "validate", "publish", "announce")
    )
    (folder / "station.yaml").write_text("{name: bench}\n")
    (folder / "gare.yaml").write_text(
        f"name: bench\nsource: {{type: git, branch: main, remote: ''}}\nsteps:\n{skipped}\n{steps}\n"
    )
    for words in (
        ["init", "-q", "-b", "main"],
        ["add", "gare.yaml"],
        ["-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-qm", "feat: all"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


def cpu_of(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and its children so far."""
    times = [member.cpu_times() for member in [process, *process.children(recursive=True)]]
    return sum(time.user + time.system for time in times)


def until_idle(process: psutil.Process) -> None:
    """Wait until the server does nothing for a second."""
    while True:
        before = cpu_of(process)
        time.sleep(1.0)
        if cpu_of(process) - before < 0.05:
            return


def cpu(code: str, process: psutil.Process, env: dict[str, str]) -> float:
    """Run a client to its end; return the CPU seconds of client, its children and the server until idle."""
    until_idle(process)
    server_before, client_before = cpu_of(process), os.times()
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    if done.returncode or "Failed" in done.stdout:
        raise SystemExit(f"the client failed: {done.stdout}{done.stderr[-2000:]}")
    client = os.times()
    until_idle(process)
    spent = (
        client.children_user
        + client.children_system
        - client_before.children_user
        - client_before.children_system
    )
    return spent + cpu_of(process) - server_before


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="gare-bench-") as name:
        folder = Path(name)
        project(folder)
        with server(folder) as (process, env):
            env["GARE_STATION"] = str(folder)
            found = medians(
                {
                    "ours": lambda: cpu(OURS, process, env),
                    "yardstick": lambda: cpu(PLAIN % STEPS, process, env),
                },
                ROUNDS,
            )
    compare("step-overhead", found["ours"], found["yardstick"], 1.2, unit="s")


if __name__ == "__main__":
    main()
