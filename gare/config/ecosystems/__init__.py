"""Which language a checkout is written in, and how such a project is built and tested: one small detector each.

Looks at file names and a few files' text; runs nothing. To add an ecosystem: one function and one line in DETECTORS.
Commands are for a machine that has Python and the ecosystem's own tool, nothing else.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from gare.config.ecosystems.found import Ecosystem
from gare.config.ecosystems.java import gradle, maven
from gare.config.ecosystems.native import cmake, make
from gare.config.ecosystems.python import application, package
from gare.config.ecosystems.web import composer, node

DETECTORS: Sequence[Callable[[Path], Ecosystem | None]] = (
    package,
    maven,
    gradle,
    cmake,
    composer,
    node,
    application,
    make,
)
"""Most specific first."""


def ecosystems_of(folder: Path) -> list[Ecosystem]:
    """Return every ecosystem found in a checkout, the one to take first."""
    return [found for detect in DETECTORS if (found := detect(folder)) is not None]
