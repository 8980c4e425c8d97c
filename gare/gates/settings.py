"""What a project may say about its gates. Imports no Great Expectations: the plan is made without it."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from gare.gates.registry import spec_of
from gare.settings import Settings, Slug


class Gate(Settings):
    """One question about a release, asked of a table of facts."""

    name: Slug
    suite: str = ""
    """A built-in suite: `changes`, `tests`, `coverage` or `artifacts`."""
    facts: str = ""
    """For an own suite: the table of facts it is asked of."""
    expectations: tuple[dict[str, Any], ...] = ()
    """Own expectations: one key each, Great Expectations' name in snake case, and its arguments."""
    settings: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Limits of a built-in suite, such as `minimum_line_rate`."""

    @model_validator(mode="after")
    def _can_be_asked(self) -> "Gate":
        if bool(self.suite) == bool(self.expectations):
            raise ValueError("give either `suite` (a built-in one) or `facts` with `expectations`")
        if self.suite and self.facts:
            raise ValueError("a built-in `suite` knows its table: take `facts` out")
        if self.expectations and not self.facts:
            raise ValueError("name the table of `facts` that these expectations are about")
        spec_of(self)
        return self
