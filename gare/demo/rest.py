"""The REST calls of the demo, as any program would make them: Prefect's API to start a release, the others' to look."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from gare.engine import DEPLOYMENT
from gare.errors import StepFailed

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Call:
    """One POST, ready to be made or shown."""

    url: str
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def curl(self) -> str:
        """Spell it for a shell; a token is not shown."""
        data = json.dumps(self.body).replace("'", "'\\''")
        told = {"Content-Type": "application/json", **self.headers}
        if "Authorization" in told:
            told["Authorization"] = "Bearer $GARE_TOKEN"
        headers = "".join(f'     -H "{name}: {value}" \\\n' for name, value in told.items())
        return f"curl -X POST {self.url} \\\n{headers}     -d '{data}'"


def release_call(api_url: str, request: dict[str, str]) -> Call:
    """Look the deployment up and return the call that releases."""
    found = _json(httpx.Request("GET", f"{api_url}/deployments/name/{DEPLOYMENT}"))
    return Call(
        f"{api_url}/deployments/{found['id']}/create_flow_run", {"parameters": {"request": request}}
    )


def make(call: Call) -> str:
    """Make the call and return the id of the run. Raises StepFailed."""
    return str(send(call)["id"])


def send(call: Call) -> Any:
    """Make the call and return the JSON that is answered. Raises StepFailed."""
    return _json(httpx.Request("POST", call.url, json=call.body, headers=call.headers))


def ask(url: str, headers: Mapping[str, str] | None = None) -> Any:
    """Return the JSON that an address answers. Raises StepFailed."""
    return _json(httpx.Request("GET", url, headers=headers))


def _json(request: httpx.Request) -> Any:
    """Send a request; a server that is busy (SQLite locks give 503) is asked again."""
    with httpx.Client(timeout=15, trust_env=False) as client:
        for _ in range(_TRIES):
            try:
                reply = client.send(request)
            except httpx.HTTPError as error:
                raise StepFailed(f"{request.method} {request.url} failed: {error}") from error
            if reply.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(0.5)
    if reply.is_error:
        raise StepFailed(
            f"{request.method} {request.url}: HTTP {reply.status_code} {reply.text[:500]}"
        )
    return reply.json()
