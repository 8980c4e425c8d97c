"""Running a project's programs: what comes back, what is refused, and that nothing stays behind."""

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from gare.connectors.process import Finished, allowed_env, kill_all, run
from gare.errors import ConfigError, StepFailed
from gare.masking import Mask

Runner = Callable[..., tuple[Finished, list[str]]]


@pytest.fixture
def sh(tmp_path: Path) -> Runner:
    def start(script: str, **options: Any) -> tuple[Finished, list[str]]:
        said: list[str] = []
        wanted: dict[str, Any] = {
            "cwd": tmp_path,
            "env": allowed_env(),
            "timeout_s": 20,
            "log": tmp_path / "logs" / "run.log",
        }
        finished = run(
            ["sh", "-c", script],
            say=options.pop("say", said.append),
            label="it",
            **(wanted | options),
        )
        return finished, said

    return start


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(happens: Callable[[], bool], within_s: float = 8) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if happens():
            return True
        time.sleep(0.02)
    return False


def test_a_program_is_run_and_its_output_is_said_and_kept(sh: Runner) -> None:
    finished, said = sh("echo out; echo err >&2; printf 'no line break'")
    assert said == ["out", "err", "no line break"]
    text = finished.log.read_text()
    assert text.startswith("$ it\nout\nerr\nno line break\n[exit 0 after ")
    assert hashlib.sha256(finished.log.read_bytes()).hexdigest() == finished.log_sha256
    assert (finished.exit_code, finished.lines) == (0, 3)


def test_no_shell_reads_the_words(tmp_path: Path) -> None:
    said: list[str] = []
    words = ["echo", "$HOME", ";", "touch x", "`id`", "--", "-n"]
    run(words, cwd=tmp_path, env=allowed_env(), timeout_s=5, log=tmp_path / "l", say=said.append)
    assert said == ["$HOME ; touch x `id` -- -n"]
    assert not (tmp_path / "touch x").exists()


def test_a_failure_names_exit_code_last_lines_and_log(sh: Runner, tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as failure:
        sh("for n in $(seq 30); do echo line $n; done; exit 3")
    last = "".join(f"  | line {n}\n" for n in range(11, 31))
    assert failure.value.what == f"`it` failed with exit code 3. It ended with:\n{last}"
    assert failure.value.where == f"log {tmp_path / 'logs' / 'run.log'}"
    assert failure.value.hint == "Read the whole output there."


def test_a_failure_is_returned_when_asked(sh: Runner) -> None:
    assert sh("exit 3", check=False)[0].exit_code == 3


def test_the_end_by_a_signal_is_named(sh: Runner) -> None:
    with pytest.raises(StepFailed, match=r"`it` was ended by SIGSEGV\."):
        sh("kill -SEGV $$")


def test_a_program_that_hangs_is_ended_with_all_it_started(sh: Runner, tmp_path: Path) -> None:
    with pytest.raises(
        StepFailed, match=r"`it` did not end within 0.5s and was stopped\."
    ) as failure:
        sh("sleep 300 & echo $! > child; echo waiting; wait", timeout_s=0.5)
    assert failure.value.hint == "Find out what it waits for, or give the step a longer `timeout`."
    assert wait_until(lambda: not is_running(int((tmp_path / "child").read_text())))


def test_a_program_that_ignores_the_request_to_end_is_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gare.connectors.process.GRACE_S", 0.3)
    with pytest.raises(StepFailed, match=r"did not end within 0\.5s"):
        run(
            ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"],
            cwd=tmp_path, env=allowed_env(), timeout_s=0.5, log=tmp_path / "l", say=print,
        )  # fmt: skip


def test_a_flood_is_stopped(sh: Runner, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"wrote more than 1 MiB and was stopped"):
        sh("yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", output_limit=1024 * 1024)
    assert (tmp_path / "logs" / "run.log").stat().st_size < 3 * 1024 * 1024


def test_a_flood_that_ends_by_itself_is_a_failure_too(sh: Runner) -> None:
    with pytest.raises(StepFailed, match="wrote more than 1000 bytes"):
        sh("head -c 5000 /dev/zero | tr '\\0' x", output_limit=1000)


def test_what_is_said_is_limited_and_the_log_has_all(sh: Runner) -> None:
    finished, said = sh("seq 100", say_limit=5)
    assert said == ["1", "2", "3", "4", "5", f"… more in the log {finished.log}"]
    assert finished.log.read_text().splitlines()[1:-1] == [str(n) for n in range(1, 101)]


def test_a_child_that_keeps_the_output_open_is_not_waited_for(sh: Runner, tmp_path: Path) -> None:
    started = time.monotonic()
    sh("sleep 300 & echo $! > child; echo done")
    assert time.monotonic() - started < 3
    assert wait_until(lambda: not is_running(int((tmp_path / "child").read_text())))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="setsid(1) is a Linux program")
def test_a_child_that_left_its_group_is_not_waited_for(sh: Runner, tmp_path: Path) -> None:
    started = time.monotonic()
    _, said = sh(
        "setsid sh -c 'echo $$ > child; exec sleep 60' & while [ ! -s child ]; do sleep 0.01; done; echo done"
    )
    assert said == ["done"]
    assert time.monotonic() - started < 4
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_a_service_left_in_the_background_lives_and_writes_its_own_log(
    sh: Runner, tmp_path: Path
) -> None:
    output = tmp_path / "service.log"
    script = (
        "(for n in $(seq 600); do echo tick $n; sleep 0.05; done) & echo $! > child; echo started"
    )
    _, said = sh(script, background=output)
    pid = int((tmp_path / "child").read_text())
    try:
        assert "started" in said
        assert is_running(pid)
        before = output.stat().st_size
        assert wait_until(lambda: output.stat().st_size > before + 10)
    finally:
        os.killpg(os.getpgid(pid), 9)


def test_a_background_program_that_fails_is_a_failure_with_its_output(
    sh: Runner, tmp_path: Path
) -> None:
    (tmp_path / "service.log").write_text("of the run before\n")
    with pytest.raises(StepFailed, match=r"exit code 1\. It ended with:\n  \| no port\n"):
        sh("echo no port; exit 1", background=tmp_path / "service.log")


def test_a_missing_program_is_named_with_the_path_searched(tmp_path: Path) -> None:
    env = allowed_env() | {"PATH": "/nowhere"}
    with pytest.raises(ConfigError) as failure:
        run(["gcc-99", "-v"], cwd=tmp_path, env=env, timeout_s=5, log=tmp_path / "l", say=print)
    assert failure.value.what == "The program `gcc-99` is not installed here."
    assert failure.value.where == "command gcc-99 -v"
    assert failure.value.hint.startswith(
        "Install it on the worker, or add its folder to PATH, which is /nowhere."
    )
    assert not (tmp_path / "l").exists()


@pytest.mark.parametrize(
    ("make", "program", "error"),
    [
        (
            lambda path: None,
            "./build",
            "The program `./build` does not exist or is not executable.",
        ),
        (
            lambda path: path.write_text("x"),
            "./build",
            "The program `./build` does not exist or is not executable.",
        ),
    ],
)
def test_a_program_of_the_checkout_must_be_executable(
    tmp_path: Path, make: Callable[[Path], Any], program: str, error: str
) -> None:
    make(tmp_path / "build")
    with pytest.raises(ConfigError) as failure:
        run([program], cwd=tmp_path, env=allowed_env(), timeout_s=5, log=tmp_path / "l", say=print)
    assert failure.value.what == error


def test_a_file_that_is_no_program_cannot_be_started(tmp_path: Path) -> None:
    (tmp_path / "build").write_bytes(b"\x7fELF broken")
    (tmp_path / "build").chmod(0o755)
    with pytest.raises(StepFailed, match=r"cannot be started: Exec format error"):
        run(
            ["./build"], cwd=tmp_path, env=allowed_env(), timeout_s=5, log=tmp_path / "l", say=print
        )


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="cannot be started: its folder is missing"):
        run(
            ["sh"],
            cwd=tmp_path / "no",
            env=allowed_env(),
            timeout_s=5,
            log=tmp_path / "l",
            say=print,
        )


def test_secrets_are_masked_in_all_that_people_read(sh: Runner, tmp_path: Path) -> None:
    mask = Mask(["hunter-22"])
    with pytest.raises(StepFailed) as failure:
        sh("echo token=hunter-22; printf 'hun'; sleep 0.1; echo 'ter-22'; exit 1", mask=mask)
    assert "hunter" not in str(failure.value)
    assert "token=***\n***\n" in (tmp_path / "logs" / "run.log").read_text()


def test_nothing_can_be_typed_into_a_program(sh: Runner) -> None:
    assert sh("read answer || echo no input")[1] == ["no input"]


def test_cancelling_ends_every_running_program(sh: Runner, tmp_path: Path) -> None:
    errors: list[StepFailed] = []

    def work() -> None:
        try:
            sh("sleep 300 & echo $! > child; wait")
        except StepFailed as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert wait_until(
        lambda: (tmp_path / "child").exists() and bool((tmp_path / "child").read_text())
    )
    assert kill_all() == 1
    thread.join(5)
    assert [error.what for error in errors] == ["`it` was cancelled."]
    assert wait_until(lambda: not is_running(int((tmp_path / "child").read_text())))
    assert kill_all() == 0


def test_a_caller_can_cancel_by_an_event(sh: Runner) -> None:
    event = threading.Event()
    with pytest.raises(StepFailed, match=r"`it` was cancelled\."):
        sh("echo go; sleep 300", say=lambda _line: event.set(), cancelled=event.is_set)


def test_the_environment_is_a_short_list(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PREFECT_API_KEY", "PYTHONPATH", "VIRTUAL_ENV", "AWS_SECRET", "MINE", "LC_ALL"):
        monkeypatch.setenv(name, "x")
    env = allowed_env(
        ["MINE", "PREFECT_API_KEY", "NOT_SET"], {"GARE_VERSION": "1.0", "PYTHONPATH": "y"}
    )
    assert env["MINE"] == env["LC_ALL"] == "x"
    assert env["GARE_VERSION"] == "1.0"
    assert not {"PREFECT_API_KEY", "PYTHONPATH", "VIRTUAL_ENV", "AWS_SECRET", "NOT_SET"} & set(env)


def test_a_secret_given_to_a_program_is_masked_in_its_output(
    sh: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPLOAD_TOKEN", "tok-98765")
    assert sh("echo $UPLOAD_TOKEN", env=allowed_env(["UPLOAD_TOKEN"]))[1] == ["***"]


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="not in a virtual environment")
def test_the_python_of_a_build_is_not_the_one_gare_runs_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = Path(sys.prefix) / "bin"
    link = tmp_path / "link"
    link.symlink_to(own)
    monkeypatch.setenv("PATH", os.pathsep.join([str(own), "/usr/bin", "", str(link), "/bin"]))
    assert allowed_env()["PATH"] == os.pathsep.join(["/usr/bin", "/bin"])
