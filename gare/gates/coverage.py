"""Built-in suite `coverage`: how much of the code the tests reach."""

from typing import Annotated, ClassVar

from pydantic import Field

from gare.gates.spec import Ask, Expectation, expect
from gare.settings import Settings

Rate = Annotated[float, Field(ge=0, le=1)]


class Coverage(Settings):
    """Limits of the suite `coverage`; rates go from 0 to 1."""

    question: ClassVar[str] = "Do the tests reach enough of the code?"

    minimum_line_rate: Rate = 0.8
    """Share of all lines that tests must reach."""
    minimum_branch_rate: Rate | None = None
    """Share of all branches that tests must reach; without it branches are not asked about."""
    minimum_file_line_rate: Rate | None = None
    """Share of lines that tests must reach in each file; without it single files are not asked about."""

    def asks(self) -> list[Ask]:
        """Return the expectations about `coverage_total`, and about each file when asked for."""
        total: list[Expectation] = [
            expect(
                "expect_column_min_to_be_between",
                column="line_rate",
                min_value=self.minimum_line_rate,
            )
        ]
        if self.minimum_branch_rate is not None:
            total.append(
                expect(
                    "expect_column_min_to_be_between",
                    column="branch_rate",
                    min_value=self.minimum_branch_rate,
                )
            )
        found = [Ask(facts="coverage_total", expectations=total)]
        if self.minimum_file_line_rate is not None:
            each = expect(
                "expect_column_values_to_be_between",
                column="line_rate",
                min_value=self.minimum_file_line_rate,
            )
            found.append(Ask(facts="coverage", expectations=[each]))
        return found
