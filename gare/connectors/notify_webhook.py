"""Announcements as JSON to an address. Part of gare.connectors.notify."""

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from gare import masking
from gare.connectors.notify_settings import LOOPBACK, WebhookSettings
from gare.domain.digest import canonical
from gare.errors import (
    AuthenticationFailed,
    ConfigError,
    Conflict,
    ConnectorError,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unavailable,
    UnexpectedReply,
    Unsure,
)
from gare.ports.notifier import Message
from gare.secrets import is_reference, resolve

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S = 20.0


class Webhook:
    """An address that takes announcements as JSON."""

    def __init__(self, settings: WebhookSettings, base: Path) -> None:
        self._settings, self._base = settings, base

    @property
    def place(self) -> str:
        """Name the place; what may be a secret in the address is left out."""
        url = self._settings.url
        if is_reference(url):
            return f"webhook {url}"
        parts = urlsplit(url)
        return f"webhook {parts.scheme}://{parts.netloc}{parts.path}"

    def look(self, _message: Message) -> bool | None:
        """Answer None: a webhook cannot be asked what it got."""
        return None

    def send(self, message: Message) -> dict[str, str]:
        """Post the message as JSON, signed when a secret is configured."""
        import httpx

        body = canonical(
            {
                "key": message.key,
                "subject": message.subject,
                "text": message.text,
                "facts": dict(message.facts),
            }
        ).encode()
        url, headers = self._secret(self._settings.url), self._headers(message, body)
        try:
            with httpx.Client(
                timeout=_TIMEOUT_S, trust_env=urlsplit(url).hostname not in LOOPBACK
            ) as client:
                reply = client.post(url, content=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unavailable(
                f"The webhook cannot be reached: {error}.", where=self.place
            ) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ConfigError(
                "The webhook's address cannot be used.",
                where=self.place,
                hint="Write a full http(s) address.",
            ) from error
        except httpx.HTTPError as error:
            raise Unsure(
                f"The webhook did not answer: {(str(error) or type(error).__name__).rstrip('.')}.",
                where=self.place,
                hint="Look whether the message has arrived.",
            ) from error
        _check_reply(reply, self.place)
        return {
            "place": self.place,
            "status": str(reply.status_code),
            "key": message.key,
            "body": f"sha256:{hashlib.sha256(body).hexdigest()}",
        }

    def _secret(self, value: str) -> str:
        return resolve(value, base=self._base) if is_reference(value) else value

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        headers = {name: self._secret(value) for name, value in self._settings.headers.items()}
        headers |= {
            "Content-Type": "application/json",
            "User-Agent": "gare",
            "Idempotency-Key": quote(message.key, safe=":/ "),
        }
        if self._settings.secret:
            key = resolve(self._settings.secret, base=self._base).encode()
            headers["X-Gare-Signature"] = "sha256=" + hmac.new(key, body, "sha256").hexdigest()
        return headers


_REPLIES: Mapping[int, tuple[type[ConnectorError], str]] = {
    401: (AuthenticationFailed, "Look at the secret in its address or headers."),
    403: (PermissionDenied, "Ask its owner for the right to post there."),
    404: (NotFound, "Look at its address."),
    408: (Unavailable, ""),
    409: (Conflict, "It got another message with the same key before."),
    410: (NotFound, "It was closed: ask its owner for a new address."),
}


def _check_reply(reply: "httpx.Response", place: str) -> None:
    status = reply.status_code
    if 200 <= status < 300:
        return
    said = f"The webhook answered {status}"
    if status == 429:
        raise RateLimited(
            f"{said}: too many messages.", where=place, retry_after_s=_retry_after(reply)
        )
    if status >= 500:
        raise Unavailable(f"{said}.", where=place)
    kind, hint = _REPLIES.get(
        status, (UnexpectedReply, "Its answer is in no way a success: look at its manual.")
    )
    # What it answers may repeat what was sent.
    text = masking.current().apply(" ".join(reply.text.split()))[:200]
    raise kind(f"{said}: {text}" if text else f"{said}.", where=place, hint=hint)


def _retry_after(reply: "httpx.Response") -> float:
    """Read Retry-After in seconds (RFC 9110, section 10.2.3); a date or nonsense counts as a minute."""
    value = reply.headers.get("Retry-After", "")
    return min(float(value), 3600.0) if value.isdigit() else 60.0
