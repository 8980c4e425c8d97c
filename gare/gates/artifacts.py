"""Built-in suite `artifacts`: whether there is something to release, and it is whole."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from gare.gates.spec import Ask, Expectation, expect
from gare.settings import Settings

Size = Annotated[int, Field(ge=1)]


class Artifacts(Settings):
    """Limits of the suite `artifacts`."""

    question: ClassVar[str] = "Did the build make whole artifacts?"

    minimum: Annotated[int, Field(ge=1)] = 1
    """How many artifacts there must be."""
    minimum_size_bytes: Size = 1
    """Smallest size of an artifact."""
    maximum_size_bytes: Size | None = None
    """Largest size of an artifact; without it, any."""

    def asks(self) -> list[Ask]:
        """Return the expectations about the table `artifacts`."""
        sizes: dict[str, Any] = {"min_value": self.minimum_size_bytes}
        if self.maximum_size_bytes is not None:
            sizes["max_value"] = self.maximum_size_bytes
        found: list[Expectation] = [
            expect("expect_table_row_count_to_be_between", min_value=self.minimum),
            expect("expect_column_values_to_be_unique", column="name"),
            expect("expect_column_values_to_be_between", column="size_bytes", **sizes),
            expect("expect_column_values_to_not_be_null", column="sha256"),
            expect(
                "expect_column_values_to_match_regex",
                column="sha256",
                regex=r"^(?:sha256:)?[0-9a-f]{64}$",
            ),
        ]
        return [Ask(facts="artifacts", expectations=found)]
