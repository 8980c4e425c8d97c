"""What tests of several folders share."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load_story() -> ModuleType:
    name = "gare_tests_story"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, Path(__file__).parent / "ledger" / "story.py"
        )
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


_load_story()  # so that tests may import from it by that name


@pytest.fixture(scope="session")
def story() -> ModuleType:
    return _load_story()
