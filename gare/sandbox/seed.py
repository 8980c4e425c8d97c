"""Reads what the sandbox starts from: one YAML file, `vendors:` by the name they are served under."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gare.errors import ConfigError

BUILT_IN = Path(__file__).with_name("seed.yaml")
"""A small company: what `gare sandbox up` starts from without a file."""


def load_seed(file: Path = BUILT_IN) -> Mapping[str, Any]:
    """Return the seed of a file. Raises ConfigError that names it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        seed = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        told = " ".join(str(error).split())
        raise ConfigError(
            f"The sandbox's seed cannot be read: {told}.", where=str(file), hint="Correct the file."
        ) from error
    if not isinstance(seed, dict) or not isinstance(seed.get("vendors"), dict):
        raise ConfigError(
            "The sandbox's seed names no vendors.",
            where=str(file),
            hint="Write `vendors:` and below it `gitlab:`; docs/how-to/sandbox.md shows one.",
        )
    return seed
