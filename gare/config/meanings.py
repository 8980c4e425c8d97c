"""What the keys mean: the docstrings below the fields of the configuration's models, read when they are needed.

pydantic can read them itself (`use_attribute_docstrings`), but then every command reads and parses the source of
every model as it starts: a third of the time that loading a station takes.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel


@cache
def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return the meaning of each field that has one, those of base classes included."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if issubclass(kind, BaseModel) and kind is not BaseModel:
            found.update(_written(kind))
    return found


def models_in(kind: Any, seen: set[type[BaseModel]] | None = None) -> set[type[BaseModel]]:
    """Return every model that a type is made of, near or far."""
    known: set[type[BaseModel]] = set() if seen is None else seen
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if kind not in known:
            known.add(kind)
            for field in kind.model_fields.values():
                models_in(field.annotation, known)
    else:
        for part in get_args(kind):
            models_in(part, known)
    return known


def _written(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    try:
        source = textwrap.dedent(inspect.getsource(model))
        body = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError):
        return  # no source here (a frozen program): keys then have no meaning to show
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for field, below in pairwise(statements):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            yield field.target.id, inspect.cleandoc(below.value.value)
