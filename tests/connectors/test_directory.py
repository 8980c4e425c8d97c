"""Target `directory` with real folders, links, commands and services."""

import http.server
import io
import json
import os
import socket
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gare.connectors.directory import Directory, DirectorySettings
from gare.connectors.process import kill_all
from gare.errors import (
    ConfigError,
    Conflict,
    GareError,
    NotFound,
    RolloutFailed,
    StepFailed,
    Unavailable,
)
from gare.ports.target import Shipment
from gare.strategies.rollout import revert, rollout

said: list[str] = []
Make = Callable[..., Directory]
Ship = Callable[..., Shipment]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def directory(**settings: Any) -> Directory:
        model = DirectorySettings.model_validate({"path": "the target"} | settings)
        return Directory(model, tmp_path, log_folder=tmp_path / "logs")

    return directory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "the target"


@pytest.fixture
def ship(tmp_path: Path) -> Ship:
    def shipment(version: str, **files: str | bytes) -> Shipment:
        folder = tmp_path / "built" / version.replace("/", "_")
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for name, content in (files or {"app__txt": version}).items():
            path = folder / name.replace("__", ".")
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            paths[path.name] = path
        return Shipment("shop", "production", "R-7", version, "c0ffee", paths)

    return shipment


def archive(**files: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size, info.mode = len(text), 0o755
            tar.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_release_lies_beside_the_others_with_its_marker(
    make: Make, ship: Ship, root: Path
) -> None:
    target = make()
    rollout(target, ship("1.0.0"), said.append)
    rollout(target, ship("1.1.0-rc.1+b5"), said.append)
    assert os.readlink(root / "current") == "releases/1.1.0-rc.1+b5"
    assert (root / "current" / "app.txt").read_text() == "1.1.0-rc.1+b5"
    assert (root / "releases" / "1.0.0" / "app.txt").read_text() == "1.0.0"
    marker = json.loads((root / "current" / ".gare-release.json").read_text())
    assert {
        key: marker[key] for key in ("version", "release", "commit", "project", "environment")
    } == {
        "version": "1.1.0-rc.1+b5",
        "release": "R-7",
        "commit": "c0ffee",
        "project": "shop",
        "environment": "production",
    }
    assert list(marker["files"]) == ["app.txt"]
    assert target.previous() == "1.0.0"
    assert not [path for path in (root / "releases").iterdir() if path.name.startswith(".")]


def test_archives_are_unpacked_and_programs_stay_programs(
    make: Make, ship: Ship, root: Path
) -> None:
    rollout(
        make(strip=1),
        ship("1.0", app__tgz=archive(**{"shop-1.0__bin__run": "#!/bin/sh\n"}), notes__md="hi"),
        said.append,
    )
    assert os.access(root / "current" / "bin" / "run", os.X_OK)
    assert (root / "current" / "notes.md").read_text() == "hi"
    assert not (root / "current" / "app.tgz").exists()


def test_archives_can_be_kept_as_they_are(make: Make, ship: Ship, root: Path) -> None:
    rollout(make(unpack=False), ship("1.0", app__tgz=b"whatever"), said.append)
    assert (root / "current" / "app.tgz").read_bytes() == b"whatever"


def test_a_broken_archive_changes_nothing(make: Make, ship: Ship, root: Path) -> None:
    target = make()
    rollout(target, ship("1.0"), said.append)
    with pytest.raises(StepFailed, match="The archive is damaged"):
        rollout(target, ship("2.0", app__tgz=b"broken"), said.append)
    assert target.live() == "1.0"
    assert target.versions() == ["1.0"]


def test_shared_paths_are_kept_across_versions(make: Make, ship: Ship, root: Path) -> None:
    target = make(shared=["data", "var/uploads", "config.ini", "seed"])
    files = {"app__tgz": archive(seed__first="from 1.0", **{"var__keep": "x"})}
    rollout(target, ship("1.0", **files), said.append)
    (root / "current" / "data" / "db").write_text("rows")
    (root / "current" / "var" / "uploads" / "a.png").write_text("png")
    (root / "current" / "config.ini").write_text("key=1")
    rollout(target, ship("2.0", app__tgz=archive(seed__first="from 2.0")), said.append)
    assert (root / "current" / "data" / "db").read_text() == "rows"
    assert (root / "current" / "var" / "uploads" / "a.png").read_text() == "png"
    assert (root / "current" / "config.ini").read_text() == "key=1"
    assert (root / "current" / "seed" / "first").read_text() == "from 1.0"
    assert not os.path.isabs(os.readlink(root / "current" / "data"))


def test_commands_run_in_the_release_with_its_facts(make: Make, ship: Ship, root: Path) -> None:
    command = ["sh", "-c", "pwd; env | grep ^GARE_ | sort"]
    lines: list[str] = []
    rollout(make(start=command), ship("1.0"), lines.append)
    assert lines[-7:] == [
        str(root / "releases" / "1.0"),
        "GARE_COMMIT=c0ffee",
        "GARE_ENVIRONMENT=production",
        f"GARE_PATH={root}",
        "GARE_PROJECT=shop",
        "GARE_RELEASE=R-7",
        "GARE_VERSION=1.0",
    ]


SERVICE = """
import http.server, os, sys, signal
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open("app.txt", "rb").read() if self.path == "/version" else b"ok"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer.allow_reuse_address = True
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
open(os.environ["GARE_PATH"] + "/pid", "w").write(str(os.getpid()))
print("serving", flush=True)
server.serve_forever()
"""


@pytest.fixture
def service(make: Make, root: Path, tmp_path: Path) -> Iterator[Directory]:
    port = free_port()
    (tmp_path / "service.py").write_text(SERVICE)
    python = f"'{sys.executable}' '{tmp_path / 'service.py'}' {port}"
    url = f"http://127.0.0.1:{port}"
    target = make(
        start=["sh", "-c", f"{python} & "],
        stop=[
            "sh",
            "-c",
            'test ! -e "$GARE_PATH/pid" || kill "$(cat "$GARE_PATH/pid")"; rm -f "$GARE_PATH/pid"',
        ],
        health={"url": f"{url}/health", "timeout": "5s", "interval": "20ms"},
        version={"url": f"{url}/version", "timeout": "300ms", "interval": "20ms"},
    )
    yield target
    if (root / "pid").exists():
        os.kill(int((root / "pid").read_text()), 9)


def test_a_real_service_is_replaced_asked_and_put_back(
    service: Directory, ship: Ship, root: Path
) -> None:
    with pytest.raises(StepFailed, match="It cannot be told which version runs"):
        service.running(said.append)
    for version in ("1.0", "2.0"):
        rollout(service, ship(version), said.append)
        assert service.running(said.append, version).version == version
    assert service.running(said.append, "9.9").version == "2.0"
    assert service.check_health(said.append).endswith("/health: status 200, wanted 200")
    revert(service, "1.0", said.append)
    assert service.running(said.append).version == "1.0"
    assert (root / "logs" / "2.0.log").read_text().startswith("serving\n")
    revert(service, "", said.append)
    with pytest.raises(StepFailed):
        service.running(said.append)


def test_a_service_that_is_not_healthy_is_taken_back(make: Make, ship: Ship) -> None:
    health = {
        "command": ["sh", "-c", "! grep -q bad app.txt"],
        "timeout": "100ms",
        "interval": "10ms",
    }
    target = make(health=health)
    rollout(target, ship("1.0"), said.append)
    with pytest.raises(RolloutFailed) as failure:
        rollout(target, ship("2.0", app__txt="bad"), said.append)
    assert failure.value.what == (
        "Deploying 2.0 failed at `check the health of 2.0`: 2.0 is not healthy after 0.1 s. 1.0 is live."
    )
    assert target.live() == "1.0"


def test_behind_a_point_of_no_return_what_fails_is_left(make: Make, ship: Ship, root: Path) -> None:
    target = make(start="false")
    rollout(make(), ship("1.0.0"), print)
    with pytest.raises(StepFailed) as caught:
        rollout(target, ship("1.1.0"), print, stays="the schema only goes forward.")
    assert "Nothing is put back: the schema only goes forward. 1.1.0 is live." in str(caught.value)
    assert target.live() == "1.1.0"


def test_a_way_back_that_fails_says_so(make: Make, ship: Ship, root: Path) -> None:
    target = make(restart=["sh", "-c", 'test ! -e "$GARE_PATH/down"'])
    rollout(target, ship("1.0"), said.append)
    (root / "down").touch()
    with pytest.raises(RolloutFailed) as failure:
        rollout(target, ship("2.0"), said.append)
    assert failure.value.what == (
        "Deploying 2.0 failed at `restart into 2.0`: `restart: sh` failed with exit code 1. "
        "The way back failed, too: `restart: sh` failed with exit code 1. 1.0 is live."
    )
    assert failure.value.hint == "Look at the target now: what runs may not be what is switched to."


def test_a_stop_that_fails_touches_nothing_else(make: Make, ship: Ship) -> None:
    target = make(stop="false")
    rollout(target, ship("1.0"), said.append)
    with pytest.raises(StepFailed, match="`stop: false` failed with exit code 1"):
        rollout(target, ship("2.0"), said.append)
    assert target.live() == "1.0"


class Answers(http.server.BaseHTTPRequestHandler):
    text: bytes = b""
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(len(self.text)))
        self.end_headers()
        self.wfile.write(self.text)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def answers() -> Iterator[tuple[type[Answers], str]]:
    handler = type("Handler", (Answers,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        yield handler, f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.mark.parametrize(
    ("question", "text", "version"),
    [
        ({}, b" 1.2.0\n", "1.2.0"),
        ({"key": "version"}, b'{"version": "1.2.0"}', "1.2.0"),
        ({"key": "app.builds.0.v"}, b'{"app": {"builds": [{"v": "1.2.0"}]}}', "1.2.0"),
        ({"pattern": r"v(\d\S*)"}, b"<p>shop v1.2.0 </p>", "1.2.0"),
        ({"pattern": r"\d\.\d\.\d"}, b"shop 1.2.0!", "1.2.0"),
        ({"key": "version"}, b"<html>", None),
        ({"key": "version"}, b"[]", None),
        ({"pattern": "v(.)"}, b"none", None),
        ({}, b"", None),
    ],
)
def test_how_a_version_is_read(
    question: dict[str, str],
    text: bytes,
    version: str | None,
    make: Make,
    answers: tuple[type[Answers], str],
) -> None:
    handler, url = answers
    handler.text = text
    target = make(version={"url": url, "timeout": "10ms"} | question)
    if version is None:
        with pytest.raises(StepFailed, match="It cannot be told which version runs"):
            target.running(said.append)
    else:
        assert target.running(said.append, version).version == version


def test_a_redirect_is_not_healthy(make: Make, answers: tuple[type[Answers], str]) -> None:
    handler, url = answers
    handler.status = 302
    with pytest.raises(StepFailed) as failure:
        make(health={"url": url, "timeout": "10ms"}).check_health(said.append)
    assert failure.value.where == f"GET {url}: status 302, wanted 200"


def test_waiting_ends_when_the_run_is_cancelled(make: Make) -> None:
    target = make(
        health={"url": f"http://127.0.0.1:{free_port()}/", "timeout": "60s", "interval": "20ms"}
    )
    with pytest.raises(StepFailed, match="Waiting for the service was cancelled"):
        target.check_health(lambda _line: kill_all() and None)


def test_a_version_asked_by_command(make: Make, ship: Ship) -> None:
    target = make(version={"command": "cat app.txt", "pattern": r"\d\S+", "timeout": "10ms"})
    rollout(target, ship("1.0", app__txt="shop 1.0"), said.append)
    assert target.running(said.append).version == "1.0"


def test_without_a_question_the_link_answers_and_it_is_said(
    make: Make, ship: Ship, root: Path
) -> None:
    target = make()
    rollout(target, ship("1.0"), said.append)
    running = target.running(said.append)
    assert running.version == "1.0"
    assert (
        running.evidence
        == f"{root}/current points to it; the service was not asked (no `version:` configured)"
    )


@pytest.mark.parametrize(
    "version", ["../evil", "a/b", "..", ".", "", "-x", ".hidden", "a\\b", "a b", "x" * 200]
)
def test_a_version_must_be_a_folder_name(version: str, make: Make, ship: Ship, root: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be a folder's name"):
        rollout(make(), ship("1.0").__class__("p", "e", "R-1", version, "c", {}), said.append)
    assert not (root / "current").exists()


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil", "", ".gare-release.json"])
def test_an_artifact_stays_in_its_release(
    name: str, make: Make, ship: Ship, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(ConfigError, match="An artifact cannot be called"):
        rollout(make(), Shipment("p", "e", "R-1", "1.0", "c", {name: file}), said.append)


def test_nothing_to_deploy_is_said(make: Make) -> None:
    with pytest.raises(StepFailed) as failure:
        rollout(make(), Shipment("p", "e", "R-1", "1.0", "c", {}), said.append)
    assert failure.value.what == "Release R-1 has no artifact to deploy."


def test_other_content_names_both_digests(make: Make, ship: Ship) -> None:
    target = make()
    rollout(target, ship("1.0", a="x"), said.append)
    with pytest.raises(Conflict) as failure:
        rollout(target, ship("1.0", a="y"), said.append)
    assert failure.value.what.count("sha256:") == 2


def _no_link(root: Path) -> None:
    (root / "current").mkdir(parents=True)


def _other_link(root: Path) -> None:
    root.mkdir()
    (root / "current").symlink_to("/somewhere/else")


@pytest.mark.parametrize(
    ("spoil", "why"), [(_no_link, "is no link"), (_other_link, "points to /somewhere/else")]
)
def test_a_folder_that_is_not_ours_is_left_alone(
    spoil: Callable[[Path], None], why: str, make: Make, ship: Ship, root: Path
) -> None:
    spoil(root)
    with pytest.raises(Conflict) as failure:
        rollout(make(), ship("1.0"), said.append)
    assert failure.value.what == f"`current` {why}: this folder is not kept by Gare."


def test_a_release_folder_made_by_hand_is_left_alone(make: Make, ship: Ship, root: Path) -> None:
    (root / "releases" / "1.0").mkdir(parents=True)
    with pytest.raises(Conflict, match="Gare did not bring it in"):
        rollout(make(), ship("1.0"), said.append)


def test_a_folder_that_cannot_be_made_is_named(make: Make, ship: Ship, root: Path) -> None:
    root.write_text("a file")
    with pytest.raises(GareError) as failure:
        rollout(make(), ship("1.0"), said.append)
    assert str(root) in str(failure.value)


def test_switching_to_what_is_not_there(make: Make) -> None:
    with pytest.raises(NotFound, match=r"Version 1\.0 is not there; there are: none"):
        make().switch("1.0", said.append)


def test_two_rollouts_do_not_interleave(
    make: Make, ship: Ship, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gare.connectors.directory_layout._LOCK_WAIT_S", 0.2)
    with (
        make().hold(said.append),
        pytest.raises(
            Unavailable,
            match=rf"Another process \(process {os.getpid()} on .+\) is changing directory .*the target",
        ),
    ):
        rollout(make(), ship("1.0"), said.append)
    rollout(make(), ship("1.0"), said.append)


def test_nothing_is_written_outside_the_folder(
    make: Make, ship: Ship, root: Path, tmp_path: Path
) -> None:
    shipment = ship("1.0")
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(root)}
    rollout(make(shared=["data"]), shipment, said.append)
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(root)} == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": " "}, "write a folder, such as `/srv/shop` or `deploy/staging`"),
        (
            {"shared": ["/etc"]},
            "`/etc` is not a path inside the release; write one such as `data` or `var/uploads`",
        ),
        ({"shared": ["../x"]}, "`../x` is not a path inside the release"),
        ({"shared": ["a", "a/b"]}, "`a/b` lies in another shared path; write the outer one only"),
        (
            {"health": {"timeout": "1s"}},
            "write how to ask: `url: http://127.0.0.1:8080/health` or `command: …`",
        ),
        (
            {"health": {"url": "localhost"}},
            "write an address such as `http://127.0.0.1:8080/health`",
        ),
        ({"health": {"url": "http://u:p@x/"}}, "an address must not hold a user name or password"),
        ({"version": {"command": "x", "pattern": "("}}, "this is no regular expression"),
        ({"keep": 0}, "greater than or equal to 1"),
        ({"start": ""}, "write a command, such as"),
    ],
)
def test_wrong_settings_say_what_to_write(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as failure:
        DirectorySettings.model_validate({"path": "x"} | settings)
    assert message in str(failure.value)


def test_settings_survive_being_stored_in_a_plan() -> None:
    given = {
        "path": "x",
        "start": "run --now",
        "health": {"url": "http://h/"},
        "version": {"command": "v", "timeout": "90s"},
    }
    settings = DirectorySettings.model_validate(given)
    assert DirectorySettings.model_validate(settings.model_dump(mode="json")) == settings


def test_the_root_of_the_file_system_is_no_target(make: Make) -> None:
    with pytest.raises(ConfigError, match="A target cannot be the root of the file system"):
        make(path="/")
