"""The frame of the command line: quick to start, clear at every end."""

import json
import os
import subprocess
import sys
from importlib import import_module

import click
import pytest

from gare.cli.commands import COMMANDS, SECTIONS
from gare.errors import Conflict, InternalError, Refused

HEAVY = (
    "prefect", "great_expectations", "pandas", "sqlalchemy", "fastapi", "httpx", "gitlab", "jira", "git", "pydantic",
    "ruamel", "numpy", "rich",
)  # fmt: skip


def gare(*words, **options):
    """Run the real command line in a process of its own."""
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-c", "from gare.cli.app import main; main()", *words],
        capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, timeout=60, check=False, **options,
    )  # fmt: skip


@pytest.mark.parametrize("word", ["--help", "-h", "--version"])
def test_start_imports_nothing_heavy(word):
    script = (
        "import sys\nfrom gare.cli.app import run\n"
        f"run([{word!r}])\nsys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert loaded.isdisjoint(HEAVY)
    assert done.stdout


def test_version():
    done = gare("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "gare 0.1.0\n", "")
    assert gare("--station", ".", "--version").stdout == "gare 0.1.0\n"


def test_help_lists_every_command_in_its_section():
    text = " ".join(gare("--help").stdout.split())
    for name, entry in COMMANDS.items():
        assert entry.section in SECTIONS
        assert f"{name} {entry.short_help}" in text
        assert f"{entry.section}: " in text


@pytest.mark.parametrize("name", COMMANDS)
def test_table_equals_the_real_command(name):
    module, _, attribute = COMMANDS[name].place.partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help, f"{name} has no help"
    assert command.get_short_help_str(200).rstrip(".") == COMMANDS[name].short_help.rstrip(".")


def test_a_command_that_does_not_exist():
    done = gare("plam")
    assert done.returncode == 2
    assert done.stderr == (
        "gare: error: There is no command `plam`. Did you mean `plan`?\n  hint: `gare --help` says how it is called.\n"
    )
    assert done.stdout == ""


def test_an_option_that_does_not_exist():
    done = gare("schema", "--nope")
    assert done.returncode == 2
    assert done.stderr.startswith("gare: error: No such option '--nope'")
    assert done.stderr.endswith("\n  hint: `gare schema --help` says how it is called.\n")


def test_station_option_reaches_the_loader(tmp_path):
    (tmp_path / "station.yaml").write_text("nmae: x\n")
    script = "from gare.cli import app, group\nimport click\n"
    script += "@click.command()\ndef look():\n    from gare.config.loader import load_station\n    load_station()\n"
    script += (
        "group.LazyGroup.get_command = lambda *a: look\nimport sys\nsys.exit(app.run(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--station", str(tmp_path), "status"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"gare: error: {tmp_path}/station.yaml:1: nmae: this key is not known.\n"
        "  hint: Did you mean `name`? Keys of this file are `name`, `state`, `ledger`, `server`, `gateway`, "
        "`worker_limit`, `worker`, `plans_at_once`, `rescue`, `people`, `rights`, `environments`, `connections`, "
        "`freezes`, `calendars` and `repositories`.\n"
    )


ENDS = """
import click, os, sys
from gare.cli import app, group
from gare.errors import *

@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def probe():
    BODY

group.LazyGroup.get_command = lambda *words: probe
sys.exit(app.run(["status", *sys.argv[1:]]))
"""


def ended(body, *words, env=None, cwd=None):
    script = ENDS.replace("BODY", body)
    environment = {**os.environ, "GARE_DEBUG": "", "GARE_STATION": "", **(env or {})}
    return subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, env=environment, cwd=cwd,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("pass", 0),
        ("return 3", 3),
        ("return True", 0),
        ("sys.exit(7)", 7),
        ("click.get_current_context().exit(4)", 4),
        ("raise StepFailed('x')", 1),
        ("raise ConfigError('x')", 2),
        ("raise Refused('x')", 3),
        ("raise Unavailable('x')", 4),
        ("raise RolloutFailed('x')", 5),
        ("raise InternalError('x')", 70),
        ("raise ValueError('x')", 70),
        ("raise KeyboardInterrupt", 130),
        ("raise click.Abort", 130),
    ],
)
def test_every_end_has_its_exit_code_and_no_traceback(body, code):
    done = ended(body)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    if code in (0, 130):
        assert done.stderr.strip() == ""


def test_an_error_says_what_where_and_what_to_do():
    done = ended(
        "raise Refused('The gate tests says no.', where='R-1', hint='Read `gare why R-1`.')"
    )
    assert done.stderr == (
        "gare: error: The gate tests says no.\n  where: R-1\n  hint: Read `gare why R-1`.\n"
    )


def test_an_error_is_json_when_json_was_asked_for():
    done = ended("raise Unavailable('No answer.', where='host', hint='Wait.')", "--json")
    assert done.stdout == ""
    assert json.loads(done.stderr) == {
        "error": "Unavailable",
        "exit_code": 4,
        "hint": "Wait.",
        "retryable": True,
        "what": "No answer.",
        "where": "host",
    }
    assert done.stderr.count("\n") == 1
    assert ended("raise Unavailable('No.')", "--", "--json").stderr == "gare: error: No.\n"


def test_what_others_wrote_cannot_steer_the_terminal():
    done = ended(r"raise Refused('Branch \x1b]0;owned\x07 \u202egnp.exe')")
    assert done.stderr == "gare: error: Branch \\x1b]0;owned\\x07 \\u202egnp.exe\n"


def test_a_defect_keeps_its_traceback_in_a_file_without_secrets(tmp_path):
    (tmp_path / ".gare").mkdir()
    body = "from gare import masking; masking.register('hunter22'); raise ValueError('hunter22 and more')"
    done = ended(body, cwd=tmp_path)
    (kept,) = (tmp_path / ".gare").glob("gare-crash-*.txt")
    assert done.stderr == (
        "gare: error: Gare itself failed: ValueError: *** and more\n"
        f"  where: {kept}\n"
        "  hint: This is a defect of Gare: please report it with this file.\n"
    )
    assert "Traceback" in kept.read_text()
    assert "hunter22" not in kept.read_text()
    if os.name != "nt":
        assert kept.stat().st_mode & 0o077 == 0


def test_traceback_is_shown_when_asked_for():
    assert "Traceback" in ended("raise ValueError('x')", env={"GARE_DEBUG": "1"}).stderr


def test_a_question_without_an_answer():
    done = ended("click.prompt('Sure')")
    assert done.returncode == 2
    assert done.stderr.endswith(
        "gare: error: The input ended before a question was answered.\n"
        "  hint: Run it in a terminal, or give the answer as an option.\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_leaves_is_no_error():
    body = "[click.echo('x' * 1000) for _ in range(1000)]"
    with subprocess.Popen(
        [sys.executable, "-c", ENDS.replace("BODY", body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


def test_text_that_the_terminal_cannot_show_is_escaped():
    done = ended("click.echo(chr(0x2026) + chr(0x1F680))", env={"PYTHONIOENCODING": "iso8859-1"})
    assert (done.returncode, done.stdout) == (0, "\\u2026\\U0001f680\n")


def test_classes_carry_the_codes_the_table_promises():
    assert (Refused.exit_code, Conflict.exit_code, InternalError.exit_code) == (3, 4, 70)
