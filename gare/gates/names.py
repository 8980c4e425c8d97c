"""Great Expectations' names, known without importing it, so that a plan finds a wrong one at once.

A test holds these lists against the installed Great Expectations.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

EXPECTATIONS = (
    "expect_column_distinct_values_to_be_in_set",
    "expect_column_distinct_values_to_contain_set",
    "expect_column_distinct_values_to_equal_set",
    "expect_column_kl_divergence_to_be_less_than",
    "expect_column_max_to_be_between",
    "expect_column_mean_to_be_between",
    "expect_column_median_to_be_between",
    "expect_column_min_to_be_between",
    "expect_column_most_common_value_to_be_in_set",
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_pair_values_to_be_equal",
    "expect_column_pair_values_to_be_in_set",
    "expect_column_proportion_of_non_null_values_to_be_between",
    "expect_column_proportion_of_unique_values_to_be_between",
    "expect_column_quantile_values_to_be_between",
    "expect_column_stdev_to_be_between",
    "expect_column_sum_to_be_between",
    "expect_column_to_exist",
    "expect_column_type_to_be",
    "expect_column_unique_value_count_to_be_between",
    "expect_column_value_lengths_to_be_between",
    "expect_column_value_lengths_to_equal",
    "expect_column_value_z_scores_to_be_less_than",
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_dateutil_parseable",
    "expect_column_values_to_be_decreasing",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_be_in_type_list",
    "expect_column_values_to_be_increasing",
    "expect_column_values_to_be_json_parseable",
    "expect_column_values_to_be_null",
    "expect_column_values_to_be_of_type",
    "expect_column_values_to_be_unique",
    "expect_column_values_to_match_json_schema",
    "expect_column_values_to_match_like_pattern",
    "expect_column_values_to_match_like_pattern_list",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_match_regex_list",
    "expect_column_values_to_match_strftime_format",
    "expect_column_values_to_not_be_in_set",
    "expect_column_values_to_not_be_null",
    "expect_column_values_to_not_be_outliers",
    "expect_column_values_to_not_match_like_pattern",
    "expect_column_values_to_not_match_like_pattern_list",
    "expect_column_values_to_not_match_regex",
    "expect_column_values_to_not_match_regex_list",
    "expect_compound_columns_to_be_unique",
    "expect_multicolumn_sum_to_equal",
    "expect_multicolumn_values_to_be_equal",
    "expect_select_column_values_to_be_unique_within_record",
    "expect_table_column_count_to_be_between",
    "expect_table_column_count_to_equal",
    "expect_table_columns_to_match_ordered_list",
    "expect_table_columns_to_match_set",
    "expect_table_row_count_to_be_between",
    "expect_table_row_count_to_equal",
)

SQL_ONLY = (
    "expect_query_results_to_match_comparison",
    "expect_table_row_count_to_equal_other_table",
    "unexpected_rows_expectation",
)
"""Expectations that need a database; a table of facts is none."""

KEPT_BACK = ("result_format", "catch_exceptions", "id", "rendered_content", "windows", "batch_id")
"""Arguments that Gare sets itself."""

_COLUMN_KEYS = ("column", "column_A", "column_B", "column_list")


def check_expectation(entry: Mapping[str, Any], facts: str, columns: Iterable[str]) -> None:
    """Raise ValueError when an expectation about the table `facts` cannot be meant as it is written."""
    if len(entry) != 1:
        raise ValueError(
            "an expectation is one key, Great Expectations' name, with its arguments below it, such as "
            "`expect_column_max_to_be_between: {column: line_rate, min_value: 0.8}`"
        )
    ((name, arguments),) = entry.items()
    _check_name(name)
    if not isinstance(arguments, Mapping):
        raise ValueError(  # noqa: TRY004 (pydantic tells ValueErrors to the person who wrote it)
            f"`{name}` takes its arguments as keys, such as `{{column: …}}`"
        )
    for key in KEPT_BACK:
        if key in arguments:
            raise ValueError(f"`{name}` may not set `{key}`: Gare does")
    if name != "expect_column_to_exist":
        _check_columns(name, arguments, facts, tuple(columns))


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """Spell `did you mean …?` with the nearest known words, or list them all when none is near."""
    words = list(known)
    close = get_close_matches(word, words, n=count, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(f'`{one}`' for one in close)}?"
    return f"known are {', '.join(f'`{one}`' for one in words)}"


def _check_name(name: str) -> None:
    if name in SQL_ONLY:
        raise ValueError(f"`{name}` asks a database; gates ask tables of facts")
    if name in EXPECTATIONS:
        return
    close = get_close_matches(name, EXPECTATIONS, n=3, cutoff=0.6)
    hint = f": did you mean {' or '.join(f'`{one}`' for one in close)}?" if close else ""
    raise ValueError(f"Great Expectations has no `{name}`{hint}")


def _check_columns(
    name: str, arguments: Mapping[str, Any], facts: str, columns: tuple[str, ...]
) -> None:
    for key in _COLUMN_KEYS:
        value = arguments.get(key, ())
        for column in [value] if isinstance(value, str) else value:
            if column not in columns:
                raise ValueError(
                    f"`{name}`: the table `{facts}` has no column `{column}`: "
                    f"{nearest(str(column), columns)}"
                )
