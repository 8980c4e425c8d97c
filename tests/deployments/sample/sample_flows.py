"""Flows for the station's own tests; found through PYTHONPATH, like an installed module."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow, suspend_flow_run, task
from prefect.input import RunInput
from pydantic import BaseModel, ConfigDict, Field

from deployments.catalog import Deployment


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: Annotated[int, Field(ge=1, le=9, description="How big.")] = 1


class SampleRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    word: Annotated[str, Field(pattern=r"^[a-z]+$", description="A word.")]
    mode: Literal["pass", "ask", "sleep"] = "pass"
    folder: str = ""
    part: Part = Part()


class Answer(RunInput):
    say: Literal["yes", "no"]


@task
def look() -> dict[str, Any]:
    return {
        "cwd": os.getcwd(),
        "path": sys.path,
        "pid": os.getpid(),
        "file": __file__,
        "dont_write_bytecode": sys.dont_write_bytecode,
        "prefect_home": os.environ.get("PREFECT_HOME"),
        "station": os.environ.get("GARE_STATION"),
        "slow_import": "rfc3987_syntax" in sys.modules,
    }


@flow(name="sample")
async def sample(request: SampleRequest) -> dict[str, Any]:
    seen = look()
    if request.folder:
        (Path(request.folder) / f"{request.word}.pid").write_text(str(seen["pid"]))
    if request.mode == "ask":
        answer = await suspend_flow_run(wait_for_input=Answer, key="once", timeout=600)
        seen["answer"] = answer.say
    if request.mode == "sleep":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (Path(request.folder) / "child.pid").write_text(str(child.pid))
        await asyncio.sleep(600)
    if request.folder:
        import json

        (Path(request.folder) / f"{request.word}.json").write_text(json.dumps(seen))
    return seen


CATALOG = (Deployment(flow="sample_flows:sample", description="For tests.", tags=("sample",)),)
