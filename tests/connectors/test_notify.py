"""Announcements arrive as they were meant: a real SMTP server, a real HTTP server, real files."""

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from pydantic import TypeAdapter, ValidationError

from gare.connectors.notify import (
    FileNote,
    FileNoteSettings,
    Mail,
    MailSettings,
    Webhook,
    WebhookSettings,
)
from gare.errors import (
    AuthenticationFailed,
    ConfigError,
    Conflict,
    GareError,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unavailable,
    UnexpectedReply,
)
from gare.ports.notifier import Message, Notifier

MESSAGE = Message(
    "R-7/announce/team",
    "shop 1.2.0 is live",
    "Été: new things.\n\n- a fix",
    {"project": "shop", "version": "1.2.0"},
)


class Mailbox:
    """An SMTP server that keeps what it takes."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse: dict[str, str] = {}

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 kept"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()

    def login(
        _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        return AuthResult(
            success=data.login == b"gare" and data.password == b"right-password", handled=False
        )

    controller = Controller(
        box, hostname="127.0.0.1", port=free_port(), authenticator=login, auth_require_tls=False
    )  # fmt: skip
    controller.start()
    yield box, controller.port
    controller.stop()


def mail(port: int, **more: Any) -> Mail:
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "sender": "gare@example.org",
        "to": ["team@example.org"],
    }
    return Mail(MailSettings(**(settings | more)), Path())


def test_a_mail_arrives(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    place = mail(port, to=("team@example.org", "boss@example.org"))
    receipt = place.send(MESSAGE)
    (got,) = box.mails
    assert got["Subject"] == "shop 1.2.0 is live"
    assert got["To"] == "team@example.org, boss@example.org"
    assert got.get_content().split() == MESSAGE.text.split()
    assert receipt == {
        "place": "mail team@example.org, boss@example.org",
        "message_id": got["Message-ID"],
        "key": "R-7/announce/team",
    }
    assert place.look(MESSAGE) is None


def test_a_repeated_mail_has_the_same_id(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    mail(port).send(MESSAGE)
    mail(port).send(MESSAGE)
    assert box.mails[0]["Message-ID"] == box.mails[1]["Message-ID"]


def test_a_subject_cannot_add_headers(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    mail(port).send(Message("k", "hello\r\nBcc: evil@example.org", "text", {}))
    assert box.mails[0]["Bcc"] is None
    assert box.mails[0]["Subject"] == "hello Bcc: evil@example.org"


def test_login(mailbox: tuple[Mailbox, int], monkeypatch: pytest.MonkeyPatch) -> None:
    box, port = mailbox
    monkeypatch.setenv("SMTP_PASSWORD", "right-password")
    mail(port, username="gare", password="$SMTP_PASSWORD").send(MESSAGE)
    assert len(box.mails) == 1
    monkeypatch.setenv("SMTP_PASSWORD", "wrong-password")
    with pytest.raises(
        AuthenticationFailed, match=r"The mail server refused the login: 5\.7\.8"
    ) as failure:
        mail(port, username="gare", password="$SMTP_PASSWORD").send(MESSAGE)
    assert "wrong-password" not in str(failure.value)
    monkeypatch.delenv("SMTP_PASSWORD")
    with pytest.raises(ConfigError, match="SMTP_PASSWORD is not set"):
        mail(port, username="gare", password="$SMTP_PASSWORD").send(MESSAGE)


def test_refused_people_are_named(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    box.refuse = {"gone@example.org": "550 no such user"}
    receipt = mail(port, to=("team@example.org", "gone@example.org")).send(MESSAGE)
    assert receipt["refused"] == "gone@example.org"
    with pytest.raises(PermissionDenied, match=r"refused gone@example\.org: 550 no such user"):
        mail(port, to=("gone@example.org",)).send(MESSAGE)
    box.refuse = {"busy@example.org": "450 later"}
    with pytest.raises(Unavailable, match=r"cannot take it now: busy@example\.org: 450 later"):
        mail(port, to=("busy@example.org",)).send(MESSAGE)


def test_a_server_that_is_away_or_cannot_encrypt(mailbox: tuple[Mailbox, int]) -> None:
    with pytest.raises(Unavailable, match="The mail server cannot be reached: Connection refused"):
        mail(free_port()).send(MESSAGE)
    with pytest.raises(ConfigError, match="The mail server cannot do what is configured: STARTTLS"):
        mail(mailbox[1], security="starttls").send(MESSAGE)
    with pytest.raises(Unavailable):
        mail(mailbox[1], security="tls").send(MESSAGE)


class Hook(ThreadingHTTPServer):
    """An HTTP server that keeps what it gets and answers as told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: tuple[int, dict[str, str], bytes] = (202, {}, b"")
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append(
                    (self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                )
                status, headers, text = hook.answer
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(text))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        yield server
        server.shutdown()


def url(hook: Hook) -> str:
    return f"http://127.0.0.1:{hook.server_address[1]}/hooks/team"


def test_a_webhook_gets_the_message_signed(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "shared-key")
    monkeypatch.setenv("HOOK_TOKEN", "Bearer abcdef")
    settings = WebhookSettings(
        url=url(hook), secret="$HOOK_SECRET", headers={"Authorization": "$HOOK_TOKEN"}
    )
    receipt = Webhook(settings, Path()).send(MESSAGE)
    path, headers, body = hook.got[0]
    assert path == "/hooks/team"
    assert json.loads(body) == {
        "key": MESSAGE.key, "subject": MESSAGE.subject, "text": MESSAGE.text, "facts": MESSAGE.facts,
    }  # fmt: skip
    assert (
        headers["x-gare-signature"]
        == "sha256=" + hmac.new(b"shared-key", body, "sha256").hexdigest()
    )
    assert headers["idempotency-key"] == MESSAGE.key
    assert headers["authorization"] == "Bearer abcdef"
    assert receipt == {
        "place": f"webhook {url(hook)}",
        "status": "202",
        "key": MESSAGE.key,
        "body": "sha256:" + hashlib.sha256(body).hexdigest(),
    }


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((400, {}, b"bad\nthing"), UnexpectedReply, "The webhook answered 400: bad thing"),
        ((401, {}, b""), AuthenticationFailed, "The webhook answered 401."),
        ((403, {}, b""), PermissionDenied, "The webhook answered 403."),
        ((404, {}, b""), NotFound, "The webhook answered 404."),
        ((409, {}, b""), Conflict, "The webhook answered 409."),
        (
            (302, {"Location": "http://127.0.0.1/login"}, b""),
            UnexpectedReply,
            "The webhook answered 302.",
        ),
        (
            (429, {"Retry-After": "7"}, b""),
            RateLimited,
            "The webhook answered 429: too many messages.",
        ),
        ((503, {}, b""), Unavailable, "The webhook answered 503."),
    ],
)
def test_what_a_webhook_answers(
    hook: Hook, answer: Any, error: type[GareError], message: str
) -> None:
    hook.answer = answer
    with pytest.raises(error) as failure:
        Webhook(WebhookSettings(url=url(hook)), Path()).send(MESSAGE)
    assert failure.value.what == message
    assert len(hook.got) == 1
    if isinstance(failure.value, RateLimited):
        assert failure.value.retry_after_s == 7


def test_a_secret_address_is_not_shown(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_HOOK", url(hook))
    place = Webhook(WebhookSettings(url="$CHAT_HOOK"), Path())
    assert place.send(MESSAGE)["place"] == place.place == "webhook $CHAT_HOOK"
    hook.answer = (400, {}, f"no such {url(hook)}".encode())
    with pytest.raises(UnexpectedReply) as failure:
        place.send(MESSAGE)
    assert url(hook) not in str(failure.value)
    assert (
        Webhook(WebhookSettings(url="https://x.example/a?key=s3cret"), Path()).place
        == "webhook https://x.example/a"
    )


def test_an_unreachable_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_HOOK", "not an address")
    with pytest.raises(Unavailable, match="The webhook cannot be reached"):
        Webhook(WebhookSettings(url=f"http://127.0.0.1:{free_port()}/"), Path()).send(MESSAGE)
    with pytest.raises(ConfigError, match="The webhook's address cannot be used"):
        Webhook(WebhookSettings(url="$CHAT_HOOK"), Path()).send(MESSAGE)


def test_a_file_gets_each_message_once(tmp_path: Path) -> None:
    place = FileNote(FileNoteSettings(path="notes/{project}-{version}.md"), tmp_path)
    assert place.look(MESSAGE) is False
    receipt = place.send(MESSAGE)
    assert place.look(MESSAGE) is True
    assert place.send(MESSAGE) == receipt
    path = tmp_path / "notes" / "shop-1.2.0.md"
    assert receipt == {
        "place": "file notes/{project}-{version}.md",
        "path": str(path),
        "key": MESSAGE.key,
    }
    text = "<!-- gare: R-7/announce/team -->\n# shop 1.2.0 is live\n\nÉté: new things.\n\n- a fix\n"
    assert path.read_text() == text
    place.send(Message("R-8/announce/team", "more", "x", MESSAGE.facts))
    assert path.read_text() == text + "\n<!-- gare: R-8/announce/team -->\n# more\n\nx\n"


def test_a_key_cannot_leave_its_mark(tmp_path: Path) -> None:
    FileNote(FileNoteSettings(path="n.md"), tmp_path).send(Message("a --> <b>", "s", "t", {}))
    assert (tmp_path / "n.md").read_text().startswith("<!-- gare: a%20--%3E%20%3Cb%3E -->\n")


@pytest.mark.parametrize("version", ["../../etc/passwd", "..", "a/b", "", "a\\b"])
def test_a_version_cannot_choose_the_folder(version: str, tmp_path: Path) -> None:
    place = FileNote(FileNoteSettings(path="{version}"), tmp_path / "inside")
    with pytest.raises(ConfigError, match="cannot be a part of a file's name"):
        place.send(Message("k", "s", "t", {"version": version}))
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "n.md").mkdir()
    with pytest.raises(UnexpectedReply, match="cannot be used: Is a directory"):
        FileNote(FileNoteSettings(path="n.md"), tmp_path).send(MESSAGE)


MAIL = {"host": "smtp.example.org", "sender": "gare@example.org", "to": ["team@example.org"]}


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (FileNoteSettings, {"path": "{branch}.md"}, "`{branch}` is not known here; write {project} or {version}"),
        (FileNoteSettings, {"path": "{version.md"}, "a brace is left open; write {project} or {version}"),
        (FileNoteSettings, {"path": " "}, "write a file, such as `notes/{project}-{version}.md`"),
        (MailSettings, MAIL | {"sender": "x"}, "write one mail address, such as `releases@example.org`"),
        (MailSettings, MAIL | {"to": ["a@b\nBcc: c@d"]}, "write one mail address, such as `releases@example.org`"),
        (MailSettings, MAIL | {"username": "u"}, "write both `username` and `password`, or neither"),
        (
            MailSettings,
            MAIL | {"username": "u", "password": "$P"},
            "the password would travel unencrypted; write `security: starttls` or `security: tls`",
        ),
        (WebhookSettings, {"url": "ftp://x"}, "write an address such as `https://chat.example.org/hook`"),
        (WebhookSettings, {"url": "https://u:p@x/"}, "an address must not hold a user name or password"),
        (WebhookSettings, {"url": "$U", "headers": {"Authorization": "Bearer x"}}, "`Authorization` is a secret"),
        (WebhookSettings, {"url": "$U", "headers": {"X": "a\r\nY: b"}}, "`X` is no header"),
        (WebhookSettings, {"url": "$U", "headers": {"Idempotency-Key": "x"}}, "`Idempotency-Key` is set by Gare"),
    ],
)  # fmt: skip
def test_wrong_settings_say_what_to_write(model: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as failure:
        TypeAdapter(model).validate_python(values)
    assert message in str(failure.value)


@pytest.mark.parametrize("notifier", [FileNote, Mail, Webhook])
def test_all_are_notifiers(notifier: type[Notifier]) -> None:
    assert {"place", "look", "send"} <= set(dir(notifier))
