"""What 200 local projects would release: Gare's look over the fleet beside a loop of `git describe` and `git log`."""

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import compare, medians

PROJECTS = 200
COMMITS = 120
BETWEEN_TAGS = 10
AFTER_LAST_TAG = 5
ROUNDS = 5
Answers = dict[str, tuple[str, list[str]]]
"""By project: the last version's tag, and the commits since."""


def make_fleet(root: Path) -> None:
    """Make PROJECTS packed repositories of COMMITS commits, an annotated version tag at each BETWEEN_TAGS."""
    for number in range(PROJECTS):
        folder = root / f"project-{number:03}"
        subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
        stream = _history(random.Random(number))
        run = ["git", "-C", str(folder)]
        subprocess.run([*run, "fast-import", "--quiet"], input=stream, text=True, check=True)
        subprocess.run([*run, "gc", "--quiet"], check=True)


def _history(chance: random.Random) -> str:
    parts = []
    for number in range(1, COMMITS + 1):
        person = f"Dev <dev@example.org> {1_700_000_000 + number * 600} +0000"
        message = f"{chance.choice(('feat', 'fix', 'docs'))}: change {number} SHOP-{number}\n"
        parts.append(
            f"commit refs/heads/main\nmark :{number}\nauthor {person}\ncommitter {person}\n"
            f"data {len(message)}\n{message}M 100644 inline file{number % 9}\ndata 2\n{number % 9}\n\n"
        )
        if number % BETWEEN_TAGS == 0 and number <= COMMITS - AFTER_LAST_TAG:
            version = f"0.{number // BETWEEN_TAGS}.0"
            parts.append(f"tag v{version}\nfrom :{number}\ntagger {person}\ndata 2\nR\n\n")
    return "".join(parts)


def by_git(root: Path) -> Answers:
    """Ask git, one repository after the other."""
    found = {}
    for folder in sorted(root.iterdir()):
        tag = _git(folder, "describe", "--tags", "--abbrev=0")
        found[folder.name] = (tag, _git(folder, "log", "--format=%H", f"{tag}..HEAD").split())
    return found


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)  # fmt: skip
    return done.stdout.strip()


def by_gare(root: Path) -> Answers:
    """Let Gare look the fleet over: it parses every commit and decides the next version as well."""
    from gare.config.models import ProjectConfig
    from gare.connectors.git_settings import GitSettings
    from gare.connectors.git_survey import open_survey
    from gare.planning.fleet import Asked, look_over

    asked = []
    for folder in sorted(root.iterdir()):
        source = GitSettings(path=str(folder), remote="")
        history = open_survey(source, root)
        assert history is not None
        asked.append(Asked(ProjectConfig(name=folder.name, source=source), history))
    spans = {one.project: one.span for one in look_over(asked, {})}
    return {
        name: (span.since_tag, [change.sha for change in span.changes])
        for name, span in spans.items()
        if span is not None
    }


def main() -> int:
    """Measure and print two lines; the exit code tells whether both goals hold and the answers are the same."""
    with tempfile.TemporaryDirectory(prefix="gare-bench-") as place:
        root = Path(place)
        make_fleet(root)
        if by_git(root) != by_gare(root):
            raise SystemExit("Gare and git do not answer alike")
        wall = medians(
            {"git": lambda: _wall_s(by_git, root), "gare": lambda: _wall_s(by_gare, root)}, ROUNDS
        )
        cpu = medians(
            {"git": lambda: _cpu_of(by_git, root), "gare": lambda: _cpu_of(by_gare, root)}, ROUNDS
        )
    held = [
        compare("fleet-wall", wall["gare"], wall["git"], 0.40),
        compare("fleet-cpu", cpu["gare"], cpu["git"], 0.35),
    ]
    return int(not all(held))


def _wall_s(ask: Callable[[Path], Answers], root: Path) -> float:
    started = time.perf_counter()
    ask(root)
    return time.perf_counter() - started


def _cpu_of(ask: Callable[[Path], Answers], root: Path) -> float:
    """Return seconds of CPU, our own and that of the processes started."""
    before = _cpu_s()
    ask(root)
    return _cpu_s() - before


def _cpu_s() -> float:
    mine, theirs = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


if __name__ == "__main__":
    sys.exit(main())
