"""Places that announcements go to: a file, a mail server, a webhook.

Each call is one attempt; a receiver can drop repeats by the message's key (in the file, as Message-ID, as
Idempotency-Key).
"""

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from gare.connectors.notify_settings import (
    PLACEHOLDER,
    FileNoteSettings,
    MailSettings,
    WebhookSettings,
)
from gare.connectors.notify_webhook import Webhook
from gare.errors import (
    AuthenticationFailed,
    ConfigError,
    Conflict,
    ConnectorError,
    PermissionDenied,
    Unavailable,
    UnexpectedReply,
    Unsure,
)
from gare.files import locked, write_atomic
from gare.ports.notifier import Message
from gare.secrets import resolve

if TYPE_CHECKING:
    import smtplib
    from email.message import EmailMessage

_TIMEOUT_S = 20.0
_LOCK_WAIT_S = 20.0

__all__ = ["FileNote", "FileNoteSettings", "Mail", "MailSettings", "Webhook", "WebhookSettings"]


class FileNote:
    """A file that announcements are added to."""

    def __init__(self, settings: FileNoteSettings, base: Path) -> None:
        self._path, self._base = settings.path, base

    @property
    def place(self) -> str:
        """Name the place."""
        return f"file {self._path}"

    def look(self, message: Message) -> bool | None:
        """Tell whether the message is in the file."""
        return _mark(message) in self._read(self._file(message))

    def send(self, message: Message) -> dict[str, str]:
        """Add the message at the end of the file, once."""
        path = self._file(message)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.with_name(f".{path.name}.lock")
            with locked(lock, wait_s=_LOCK_WAIT_S, what=str(path), say=lambda _line: None):
                before = self._read(path)
                if _mark(message) not in before:
                    gap = "\n" if before else ""
                    entry = f"{_mark(message)}\n# {_one_line(message.subject)}\n\n{message.text.rstrip()}\n"
                    write_atomic(path, before + gap + entry)
        except OSError as error:
            raise _file_refused(path, error) from error
        return {"place": self.place, "path": str(path), "key": message.key}

    def _file(self, message: Message) -> Path:
        def fill(match: re.Match[str]) -> str:
            value = message.facts.get(match[1], "")
            if (
                not value
                or PurePosixPath(value).name != value
                or "\\" in value
                or "\0" in value
                or value == ".."
            ):
                raise ConfigError(
                    f"The {match[1]} {value!r} cannot be a part of a file's name.",
                    where=self.place,
                    hint="Leave the placeholder out of the path.",
                )
            return value

        return self._base / Path(PLACEHOLDER.sub(fill, self._path)).expanduser()

    @staticmethod
    def _read(path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise _file_refused(path, error) from error
        except UnicodeDecodeError as error:
            raise Conflict(
                "The file of announcements is not UTF-8 text.",
                where=str(path),
                hint="Name another file.",
            ) from error


class Mail:
    """A mail server."""

    def __init__(self, settings: MailSettings, base: Path) -> None:
        self._settings, self._base = settings, base

    @property
    def place(self) -> str:
        """Name the place."""
        return f"mail {', '.join(self._settings.to)}"

    def look(self, _message: Message) -> bool | None:
        """Answer None: nobody can tell whether a mail was sent."""
        return None

    def send(self, message: Message) -> dict[str, str]:
        """Hand the message to the server; people it refused are in the receipt when others were accepted."""
        import smtplib
        import ssl

        it = self._settings
        # Before the connection: a missing secret must not look like a trouble with the server.
        password = resolve(it.password, base=self._base) if it.password else ""
        mail = self._mail(message)
        where = f"{it.host}:{it.port}"
        is_begun = False
        try:
            with self._connect() as server:
                if it.security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if it.username:
                    server.login(it.username, password)
                is_begun = True
                refused = server.send_message(mail)
                is_begun = False
        except smtplib.SMTPServerDisconnected as error:
            raise _broken_off(error, where, is_begun=is_begun) from error
        except smtplib.SMTPException as error:
            raise _smtp_error(error, where) from error
        except ssl.SSLCertVerificationError as error:
            raise UnexpectedReply(
                f"The mail server's certificate is not valid: {error.verify_message}.",
                where=where,
                hint="Name the host as in its certificate, or install its authority on the worker.",
            ) from error
        except OSError as error:
            raise _broken_off(error, where, is_begun=is_begun) from error
        receipt = {"place": self.place, "message_id": str(mail["Message-ID"]), "key": message.key}
        if refused:
            receipt["refused"] = ", ".join(sorted(refused))
        return receipt

    def _connect(self) -> "smtplib.SMTP":
        import smtplib
        import ssl

        it = self._settings
        if it.security == "tls":
            return smtplib.SMTP_SSL(
                it.host, it.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
            )
        return smtplib.SMTP(it.host, it.port, timeout=_TIMEOUT_S)

    def _mail(self, message: Message) -> "EmailMessage":
        from email.message import EmailMessage
        from email.utils import localtime

        mail = EmailMessage()
        mail["Subject"] = _one_line(message.subject)
        mail["From"] = self._settings.sender
        mail["To"] = ", ".join(self._settings.to)
        mail["Date"] = localtime()
        domain = self._settings.sender.rpartition("@")[2]
        mail["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:32]}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        return mail


def _broken_off(error: OSError, where: str, *, is_begun: bool) -> ConnectorError:
    """Tell a server that was not reached from one that was lost while it took the message."""
    if is_begun:
        return Unsure(
            f"The mail server broke off while it took the message: {error.strerror or error}.",
            where=where,
            hint="Look whether the mail has arrived.",
        )
    return Unavailable(
        f"The mail server cannot be reached: {error.strerror or error}.",
        where=where,
        hint="See whether host and port are right and open from here.",
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _mark(message: Message) -> str:
    return f"<!-- gare: {quote(message.key, safe=':/')} -->"


def _file_refused(path: Path, error: OSError) -> ConnectorError:
    kind = PermissionDenied if isinstance(error, PermissionError) else UnexpectedReply
    return kind(
        f"The file of announcements cannot be used: {error.strerror or error}.",
        where=str(path),
        hint="Give the worker's user the right to write there, or name another file.",
    )


def _smtp_error(error: "smtplib.SMTPException", where: str) -> ConnectorError | ConfigError:
    """Translate smtplib's errors; the codes are those of RFC 5321, section 4.2."""
    import smtplib

    if isinstance(error, smtplib.SMTPNotSupportedError):
        return ConfigError(
            f"The mail server cannot do what is configured: {error}.",
            where=where,
            hint="Look at `security` and `username`.",
        )
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return AuthenticationFailed(
            f"The mail server refused the login: {_smtp_text(error.smtp_error)}.",
            where=where,
            hint="Look at `username` and the secret behind `password`.",
        )
    codes = {}
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = {name: (code, _smtp_text(text)) for name, (code, text) in error.recipients.items()}
    elif isinstance(error, smtplib.SMTPResponseException):
        codes = {"the message": (error.smtp_code, _smtp_text(error.smtp_error))}
    if not codes:
        return Unavailable(f"The mail server broke off: {error}.", where=where)
    said = "; ".join(f"{name}: {code} {text}" for name, (code, text) in sorted(codes.items()))
    if any(400 <= code < 500 or code in (-1, 0) for code, _ in codes.values()):
        return Unavailable(f"The mail server cannot take it now: {said}.", where=where)
    return PermissionDenied(
        f"The mail server refused {said}.",
        where=where,
        hint="Look at `sender`, `to` and the server's rules.",
    )


def _smtp_text(text: bytes | str) -> str:
    return _one_line(text.decode(errors="replace") if isinstance(text, bytes) else text)
