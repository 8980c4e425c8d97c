"""docs/exit-codes.md and the code say the same."""

import re
from pathlib import Path

from gare import errors
from gare.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "exit-codes.md"


def classes(base=errors.GareError):
    yield base
    for child in base.__subclasses__():
        if child.__module__ == "gare.errors":
            yield from classes(child)


def test_page_lists_every_code_with_every_error_class():
    rows = re.findall(r"^\| (\d+) \|([^|]*)\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {int(code): set(re.findall(r"`(\w+)`", names)) for code, names in rows}
    real: dict[int, set[str]] = {0: set(), app.INTERRUPTED: set(), app.READER_GONE: set()}
    for kind in classes():
        real.setdefault(kind.exit_code, set()).add(kind.__name__)
    assert errors.ConfigError.exit_code == app.USAGE
    assert told == real
