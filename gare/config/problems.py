"""What is wrong in a configuration file, told in one form: `file:line: key.path: what. What to write`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from gare.errors import ConfigError

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to edit. `line` counts from 1; 0 when the whole file is meant."""

    file: Path
    line: int
    path: KeyPath
    what: str
    write: str

    @property
    def head(self) -> str:
        """Spell `file:line: key.path: what is wrong.`."""
        place = f"{shown(self.file)}:{self.line}" if self.line else shown(self.file)
        return ": ".join(part for part in (place, spell(self.path), self.what) if part)

    def __str__(self) -> str:
        """Spell the whole line, with what to write."""
        return f"{self.head} {self.write}".rstrip()


class InvalidFiles(ConfigError):
    """A ConfigError that still knows its single problems, so that those of several files can be told together."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(
            dict.fromkeys(problems), key=lambda found: (str(found.file), found.line)
        )
        if len(self.problems) == 1:
            super().__init__(self.problems[0].head, hint=self.problems[0].write)
            return
        files = dict.fromkeys(shown(problem.file) for problem in self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} problems in {' and '.join(files)}:\n{lines}")


def spell(path: KeyPath) -> str:
    """Spell a key path as people write it: `steps[0].needs`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(file: Path) -> str:
    """Spell a file relative to the current folder when it is inside, else in full."""
    try:
        return str(file.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(file)


def listed(names: Iterable[object]) -> str:
    """Spell names for a sentence: `a`, `b` and `c`."""
    words = [f"`{name}`" for name in names]
    if len(words) < 2:
        return words[0] if words else "none"
    return f"{', '.join(words[:-1])} and {words[-1]}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Spell `Did you mean x? ` when one of the known words is near, else nothing."""
    names = list(known)
    longer = [name for name in names if len(word) > 1 and name.startswith(word)]
    close = get_close_matches(word, names, n=1, cutoff=0.6) or longer
    return f"Did you mean `{close[0]}`? " if close else ""


def one_of(names: Sequence[object]) -> str:
    """Spell a choice: `write a`, `write one of a, b or c`."""
    words = [f"`{name}`" for name in names]
    if len(words) < 2:
        return f"Write {words[0]}." if words else ""
    return f"Write one of {', '.join(words[:-1])} or {words[-1]}."
