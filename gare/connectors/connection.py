"""What every connection to a vendor is configured with. Part of the vendors' own settings."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from gare.secrets import SecretRef
from gare.settings import Duration, Settings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write a full address, such as https://gitlab.example.com")
    if parts.username or parts.password:
        raise ValueError("write no user or password into the address; `token` refers to the secret")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("write https://; a token is never sent in the clear")
    return value.rstrip("/")


Address = Annotated[str, AfterValidator(_address)]
"""Where a vendor is reached, with its base path; https but for this machine."""


class Connection(Settings):
    """A vendor's server and how Gare proves itself there."""

    url: Address
    """Address of the server, with its base path."""
    token: SecretRef
    """Where the token is: `$NAME` (environment of the station) or `file:PATH`."""
    ca_file: str = ""
    """File of the certificate authority that the server's certificate is signed by; empty: the system's."""
    patience: Duration = timedelta(seconds=20)
    """How long reads are repeated at once while the server is away; then the step waits without a process."""

    def renewal(self, name: str) -> str:
        """Say where a new token goes and who must hear of it; `name` is that of the connection."""
        is_variable = self.token.startswith("$")
        place = f"set it as {self.token}" if is_variable else f"write it into {self.token[5:]}"
        return f"{place} (`connections: {name}` of station.yaml), and restart the station."
