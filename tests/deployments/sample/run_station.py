"""Runs a station with the sample catalogue in the foreground, as `gare up` does: ROOT PORT [EXTRA-MODULE]."""

import sys
from pathlib import Path

from deployments.child import Program
from deployments.local import up
from deployments.spec import StationSpec
from gare.errors import GareError

root, port, *extras = sys.argv[1:]
spec = StationSpec(
    name="sample",
    root=Path(root),
    state=Path(root) / ".gare",
    port=int(port),
    catalog="sample_flows:CATALOG",
    extras=tuple(Program(name, f"The {name}", (name,)) for name in extras),
)
try:
    up(spec, say=lambda text: print(text, flush=True))
except GareError as error:
    print(f"{type(error).__name__}: {error.what}\n{error.where}\n{error.hint}", flush=True)
    sys.exit(error.exit_code)
