"""How long Gare takes from a Git history to printed release notes, beside bare Git and git-cliff.

Ours is the whole process of `gare.connectors.git_history`; every run prints its real notes.
"""

import random
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # `python bench/notes.py` works as well

from bench.measure import compare, medians, peak_memory, quiet_environment, wall

COMMITS = 20_000
TAGS = 500
AFTER_LAST_TAG = 40
_FORMAT = "--format=tformat:%H%x00%P%x00%an%x00%ae%x00%cd%x00%B"
_SCOPES = ("api", "cart", "checkout", "search", "login", "", "", "")
_KINDS = ("feat", "fix", "fix", "perf", "docs", "chore", "refactor", "test", "feat!")
_WORDS = "add remove keep the a order payment address list_of items is empty <timeout> all again"


def make_repository(folder: Path) -> None:
    """Make a history of COMMITS conventional commits with TAGS version tags; every tenth commit is a merge."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    stream = subprocess.Popen(
        ["git", "-C", str(folder), "fast-import", "--quiet"], stdin=subprocess.PIPE, text=True
    )
    assert stream.stdin
    with stream.stdin as out:
        _write_history(out.write)
    if stream.wait():
        raise SystemExit("git fast-import failed")
    subprocess.run(["git", "-C", str(folder), "gc", "--quiet"], check=True)


def _write_history(write: Callable[[str], object]) -> None:
    chance = random.Random(2)
    step = (COMMITS - AFTER_LAST_TAG) // TAGS
    for number in range(1, COMMITS + 1):
        at = f"{1_400_000_000 + number * 600} +0200"
        person = f"Dev {number % 17} <dev{number % 17}@example.org> {at}"
        is_merge = number % 10 == 0
        message = f"Merge branch 'topic-{number}'\n" if is_merge else _message(chance, number)
        # Commits 8 and 9 of every ten are a branch of their own, merged by the tenth.
        branch = "refs/heads/topic" if number % 10 in (8, 9) else "refs/heads/main"
        write(f"commit {branch}\nmark :{number}\nauthor {person}\ncommitter {person}\n")
        write(f"data {len(message.encode())}\n{message}")
        if number % 10 == 8:
            write(f"from :{number - 1}\n")
        if is_merge:
            write(f"from :{number - 3}\nmerge :{number - 1}\n")
        text = f"{number}\n"
        write(f"M 100644 inline src/file{number % 50}.txt\ndata {len(text)}\n{text}\n")
        if number % step == 0 and number // step <= TAGS:
            version = f"{number // step // 50}.{number // step % 50}.0"
            write(f"tag v{version}\nfrom :{number}\ntagger {person}\ndata 8\nRelease\n\n")


def _message(chance: random.Random, number: int) -> str:
    kind, scope = chance.choice(_KINDS), chance.choice(_SCOPES)
    bang = "!" if kind.endswith("!") else ""
    subject = " ".join(chance.choices(_WORDS.split(), k=chance.randint(4, 9)))
    head = f"{kind.rstrip('!')}{f'({scope})' if scope else ''}{bang}: {subject}\n"
    body = "\n" + " ".join(chance.choices(_WORDS.split(), k=25)) + "\n" if number % 3 == 0 else ""
    ticket = f"\nRefs: SHOP-{number // 4}\n" if number % 2 else ""
    return head + body + ticket


def main() -> int:
    """Measure and print the four lines; the exit code tells whether every goal holds."""
    with tempfile.TemporaryDirectory(prefix="gare-bench-") as place:
        repository = Path(place) / "repository"
        make_repository(repository)
        return 0 if all(measure(repository)) else 1


def measure(repository: Path) -> list[bool]:
    """Measure one repository; one answer per goal."""
    env = quiet_environment()
    git = ["git", "-C", str(repository)]
    ours = [sys.executable, "-m", "gare.connectors.git_history", str(repository)]
    # Started inside the repository: with --repository alone 2.12.0 tells nothing, and quickly so.
    cliff = [str(Path(sysconfig.get_path("scripts")) / "git-cliff")]
    _check_output([*ours, "--full"], repository)
    _check_output(cliff, repository)
    tag = subprocess.run(
        [*git, "describe", "--tags", "--abbrev=0"], check=True, capture_output=True, text=True
    ).stdout.strip()
    since = medians(
        {
            "git": lambda: wall(
                [*git, "describe", "--tags", "--abbrev=0"],
                [*git, "log", "-z", _FORMAT, f"{tag}..HEAD"],
                env=env,
            ),
            "ours": lambda: wall([*ours, "--since-tag"], env=env),
        },
        rounds=31,
    )
    log = [*git, "log", "-z", _FORMAT]
    full = medians(
        {"git": lambda: wall(log, env=env), "ours": lambda: wall([*ours, "--full"], env=env)},
        rounds=9,
    )
    memory = medians(
        {"git": lambda: peak_memory(log), "ours": lambda: peak_memory([*ours, "--full"])}, rounds=3
    )
    beside = medians(
        {
            "cliff": lambda: wall(cliff, cwd=repository, env=env),
            "ours": lambda: wall([*ours, "--full"], env=env),
        },
        rounds=5,
    )
    return [
        compare("notes-since-tag", since["ours"], since["git"], 1.2, allowance_ms=30),
        compare("notes-full-history", full["ours"], full["git"], 1.35),
        compare("notes-full-history-memory", memory["ours"], memory["git"], 2, unit="MB"),
        compare("notes-vs-git-cliff", beside["ours"], beside["cliff"], 0.25),
    ]


def _check_output(command: list[str], repository: Path) -> None:
    """Refuse to compare with a command that does not tell the history."""
    done = subprocess.run(command, cwd=repository, capture_output=True, check=True)
    if done.stdout.count(b"\n- ") < COMMITS / 2:
        raise SystemExit(f"{command[0]} tells fewer than half of the commits: nothing to compare")


if __name__ == "__main__":
    raise SystemExit(main())
