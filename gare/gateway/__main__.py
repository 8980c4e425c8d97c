"""The gateway as a process of the station: `python -m gare.gateway --host H --port P`. Ends in order on SIGTERM."""

import argparse

import uvicorn

from gare.gateway.app import make_app
from gare.wiring import open_gare

_GRACE_S = 5
_KEEP_ALIVE_S = 15


def main() -> None:
    """Serve until told to end; what was begun is answered first."""
    parser = argparse.ArgumentParser(prog="gare.gateway")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    uvicorn.run(
        make_app(open_gare()),
        host=options.host,
        port=options.port,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,  # ours says who asked
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )


if __name__ == "__main__":
    main()
