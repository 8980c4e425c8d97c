"""What the worker contract asks of a run, as one flow; found through PYTHONPATH, like an installed module."""

import asyncio
import json
import os
import random
import signal
import sys
import uuid
from pathlib import Path
from typing import Any, Literal

import psutil
from prefect import flow, suspend_flow_run
from prefect.input import RunInput
from pydantic import BaseModel, ConfigDict

from deployments.catalog import Deployment
from gare.connectors.process import allowed_env, kill_all, run

EDITION = "first"


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")
    word: str
    mode: Literal["report", "fail", "exit", "ask", "wait", "command", "die once"] = "report"
    folder: str


class Answer(RunInput):
    say: Literal["yes", "no"]


def seen() -> dict[str, Any]:
    return {
        "env": dict(os.environ),
        "cwd": os.getcwd(),
        "pid": os.getpid(),
        "parent": psutil.Process().parent().cmdline()[3:],
        "in_path": os.getcwd() in sys.path,
        "term": str(signal.getsignal(signal.SIGTERM)),
        "child": str(signal.getsignal(signal.SIGCHLD)),
        "chance": [random.random(), str(uuid.uuid4()), os.urandom(8).hex()],
        "edition": EDITION,
    }


@flow(name="contract")
async def contract(request: Request) -> dict[str, Any]:
    found = seen()
    folder, word = Path(request.folder), request.word
    (folder / f"{word}.pid").write_text(str(os.getpid()))
    print(f"{word} says so", flush=True)
    print(f"{word} complains", file=sys.stderr, flush=True)
    match request.mode:
        case "fail":
            raise ValueError("as it was told")
        case "exit":
            os._exit(7)
        case "ask":
            found["answer"] = (await suspend_flow_run(wait_for_input=Answer, key="once")).say
        case "die once" if not (folder / f"{word}.died").exists():
            (folder / f"{word}.died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        case "wait" | "command":
            await go_on(folder, word, with_command=request.mode == "command")
        case _:
            pass
    (folder / f"{word}.tmp").write_text(json.dumps(found))
    (folder / f"{word}.tmp").rename(folder / f"{word}.json")
    return {}


async def go_on(folder: Path, word: str, *, with_command: bool) -> None:
    """Wait for a file, a command of Gare's running meanwhile if wanted."""
    loop = asyncio.get_running_loop()
    command = loop.run_in_executor(None, lambda: sleep(folder, word)) if with_command else None
    try:
        while not (folder / f"{word}.go").exists():
            await asyncio.sleep(0.05)
    finally:
        kill_all()
        if command:
            await asyncio.gather(command, return_exceptions=True)


def sleep(folder: Path, word: str) -> None:
    script = f"echo $$ > {word}.command; exec sleep 300"
    run(
        ["sh", "-c", script],
        cwd=folder,
        env=allowed_env(),
        timeout_s=300,
        log=folder / f"{word}.log",
        say=print,
    )


CATALOG = (Deployment(flow="contract_flows:contract", description="For the worker contract."),)
