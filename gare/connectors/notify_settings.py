"""What a place of announcements may be configured as. Part of gare.connectors.notify; imported by every command."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from gare.secrets import SecretRef, is_reference
from gare.settings import Settings

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = (
    "content-type",
    "content-length",
    "host",
    "idempotency-key",
    "x-gare-signature",
    "transfer-encoding",
)


def note_path(value: str) -> str:
    """Check a file's path with `{project}` and `{version}` in it."""
    if not value.strip() or "\0" in value:
        raise ValueError("write a file, such as `notes/{project}-{version}.md`")
    for name in PLACEHOLDER.findall(value):
        if name not in ("project", "version"):
            raise ValueError(f"`{{{name}}}` is not known here; write {{project}} or {{version}}")
    if "{" in PLACEHOLDER.sub("", value) or "}" in PLACEHOLDER.sub("", value):
        raise ValueError("a brace is left open; write {project} or {version}")
    return value


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError("write one mail address, such as `releases@example.org`")
    return value


def _hook_url(value: str) -> str:
    if is_reference(value):
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", value):
        raise ValueError(
            "write an address such as `https://chat.example.org/hook`, or a reference such as `$HOOK_URL`"
        )
    if parts.username or parts.password:
        raise ValueError(
            "an address must not hold a user name or password; write a reference such as `$HOOK_URL`"
        )
    return value


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not _HEADER.fullmatch(name) or re.search(r"[\r\n\0]", text):
            raise ValueError(f"`{name}` is no header")
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"`{name}` is set by Gare")
        if name.lower() in ("authorization", "cookie", "x-api-key") and not is_reference(text):
            raise ValueError(f"`{name}` is a secret: write a reference such as `$HOOK_TOKEN`")
    return value


Address = Annotated[str, AfterValidator(_address)]


class FileNoteSettings(Settings):
    """Announcements written to a file."""

    type: Literal["file"] = "file"
    path: Annotated[str, AfterValidator(note_path)]
    """File to add to; `{project}` and `{version}` are filled in. Relative to the file it is written in."""


class MailSettings(Settings):
    """Announcements sent by SMTP."""

    type: Literal["mail"] = "mail"
    host: Annotated[str, Field(min_length=1, pattern=r"^\S+$")]
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    security: Literal["none", "starttls", "tls"] = "none"
    """`starttls` (usually port 587) or `tls` from the first byte (usually port 465)."""
    username: str = ""
    password: SecretRef = ""
    """A reference, such as `$SMTP_PASSWORD` or `file:/run/secrets/smtp`."""
    sender: Address
    to: Annotated[tuple[Address, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _login(self) -> "MailSettings":
        if bool(self.username) != bool(self.password):
            raise ValueError("write both `username` and `password`, or neither")
        if self.username and self.security == "none" and self.host not in LOOPBACK:
            raise ValueError(
                "the password would travel unencrypted; write `security: starttls` or `security: tls`"
            )
        return self


class WebhookSettings(Settings):
    """Announcements sent to an address as JSON."""

    type: Literal["webhook"] = "webhook"
    url: Annotated[str, AfterValidator(_hook_url)]
    """An address, or a reference to one that is a secret, such as `$CHAT_HOOK`."""
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default={})
    """Further headers; a value may be a reference."""
    secret: SecretRef = ""
    """Key of the signature in X-Gare-Signature: `sha256=` and the HMAC-SHA256 (hex) of the body."""
