"""Git commands for the connector, run by GitPython: no shell, no prompt, no hook; errors in our words."""

import os
import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gare.connectors.git_history import LOCAL_VARIABLES
from gare.errors import (
    AuthenticationFailed,
    ConfigError,
    Conflict,
    ConnectorError,
    NotFound,
    PermissionDenied,
    Unavailable,
)

_SETTINGS = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "advice.detachedHead=false",
    "gc.auto=0",
    "protocol.ext.allow=never",
    # A remote that stands still is given up after a minute instead of never.
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
)
_SSH_OPTIONS = "-o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15"
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")

_ERRORS: tuple[tuple[str, type[ConnectorError], str], ...] = (
    (
        r"authentication failed|could not read (username|password)|terminal prompts disabled"
        r"|permission denied \(|host key verification failed|\b401\b",
        AuthenticationFailed,
        "Give the account that runs Gare access: a credential helper, or an SSH key and known host.",
    ),
    (
        r"hook declined|\b403\b|protected|not allowed to|you are not allowed|permission (to .*)?denied"
        r"|insufficient permission|deny updating",
        PermissionDenied,
        "Let the account that runs Gare push this there.",
    ),
    (
        r"\[rejected\]|already exists|non-fast-forward|fetch first|failed to lock|cannot lock ref",
        Conflict,
        "Compare both sides, then try again.",
    ),
    (
        r"does not appear to be a git repository|repository .*not found|not a git repository|\b404\b",
        NotFound,
        "Check the address with `git remote -v`.",
    ),
    (
        r"could not resolve|connection (refused|timed out|reset|closed)|timed out|unable to access"
        r"|could not read from remote|early eof|hung up|failed to connect|no route to host"
        r"|sideband demultiplexer|unexpected disconnect",
        Unavailable,
        "Check the network and the host, then try again.",
    ),
)


class Done(NamedTuple):
    """A command that ended: its exit code, what it printed, what it complained about."""

    code: int
    output: bytes
    complaints: str

    @property
    def text(self) -> str:
        """The output as text without its last line end."""
        return self.output.decode("utf-8", "replace").removesuffix("\n")


class Commands:
    """Git commands in one repository. Holds no process and no file open between calls."""

    def __init__(self, folder: Path, *, is_bare: bool = False, name: str = "") -> None:
        self.folder, self.is_bare = folder, is_bare
        self.name = name or f"repository {folder}"

    def run(
        self, *words: str, stdin: str | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Run a command that must succeed; return its output as text. Raises ConnectorError."""
        done = self.attempt(*words, stdin=stdin, env=env)
        if done.code:
            raise translated(words[0], done, self.name)
        return done.text

    def attempt(
        self, *words: str, stdin: str | bytes | None = None, env: Mapping[str, str] | None = None
    ) -> Done:
        """Run a command that may fail."""
        place = [f"--git-dir={self.folder}"] if self.is_bare else ["-C", str(self.folder)]
        return run_git([*place, *words], stdin=stdin, env=env)

    def over_network(self, *words: str) -> str:
        """Run a command that asks the remote; it never asks a person. Raises ConnectorError."""
        return self.run(*words, env=self._quiet())

    def _quiet(self) -> dict[str, str]:
        quiet = {"GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS": "", "GCM_INTERACTIVE": "never"}
        if "GIT_SSH" not in os.environ:
            ssh = (
                os.environ.get("GIT_SSH_COMMAND") or self.attempt("config", "core.sshCommand").text
            )
            program = shlex.split(ssh or "ssh")[0]
            if Path(program).stem == "ssh":  # others know other options
                quiet["GIT_SSH_COMMAND"] = f"{ssh or 'ssh'} {_SSH_OPTIONS}"
        return quiet


def run_git(
    words: Sequence[str], *, stdin: str | bytes | None = None, env: Mapping[str, str] | None = None
) -> Done:
    """Run git anywhere. Raises ConfigError when there is no Git, or the environment names a repository."""
    if found := [name for name in LOCAL_VARIABLES if name in os.environ]:
        raise ConfigError(
            f"{found[0]} is set, so Git would look into another repository than the configured one.",
            where=f"environment variable {found[0]}",
            hint=f"Unset it (`unset {' '.join(found)}`); Git sets it inside its hooks.",
        )
    try:
        from git import Git as Runner
    except ImportError as error:  # GitPython's way to say that there is no git
        hint = "Install Git 2.30 or newer (https://git-scm.com)."
        raise ConfigError("The program git is not on the PATH.", hint=hint) from error
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    with tempfile.TemporaryFile() as file:
        file.write(stdin if isinstance(stdin, bytes) else (stdin or "").encode())
        file.seek(0)
        code, output, complaints = Runner().execute(
            ["git", *settings, "--no-replace-objects", *words],
            istream=file,
            with_extended_output=True,
            with_exceptions=False,
            stdout_as_string=False,
            strip_newline_in_stdout=False,
            env={"GIT_OPTIONAL_LOCKS": "0", **(env or {})},
        )
    return Done(int(code), bytes(output), redacted(str(complaints)))


def translated(operation: str, done: Done, where: str) -> ConnectorError:
    """Return what Git complained about as one of our errors."""
    lines = [line.strip() for line in done.complaints.splitlines() if line.strip()]
    told = [line for line in lines if re.match(r"fatal:|error:|remote: |ERROR", line)] or lines
    # git push --porcelain says on its output what became of the reference.
    refused = [line.split("\t", 1)[1] for line in done.text.splitlines() if line.startswith("!\t")]
    text = " ".join([*refused, *told][:4]).replace("\t", " ") or f"exit code {done.code}"
    kind, hint = ConnectorError, ""
    for pattern, candidate, advice in _ERRORS:
        if re.search(pattern, f"{done.complaints}\n{done.text}", re.IGNORECASE):
            kind, hint = candidate, advice
            break
    return kind(f"git {operation} failed: {text.rstrip('.')}.", where=where, hint=hint)


def redacted(text: str) -> str:
    """Return text without the user names and passwords of addresses."""
    return _PASSWORD.sub("", text)
