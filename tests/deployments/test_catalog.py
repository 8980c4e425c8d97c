"""The catalogue, and the schema it gives the server."""

from contextlib import nullcontext

import pytest
from pydantic import ValidationError

from deployments.apply import job_variables, load_flow, strict_schema
from deployments.catalog import CATALOG, Deployment
from gare.engine import DEPLOYMENT
from gare.errors import InternalError
from gare.requests import HotfixRequest


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.flow)
def test_every_deployment_is_a_flow_with_one_strict_parameter(entry):
    flow = load_flow(entry.flow)
    schema = strict_schema(flow)
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"]) == ["request"]
    for model in schema["definitions"].values():
        if model["type"] == "object":
            assert model["additionalProperties"] is False, model["title"]
    assert ":" not in entry.entrypoint
    assert entry.description


def integers(schema):
    """Yield every part of a schema that is an integer."""
    if isinstance(schema, dict):
        if schema.get("type") == "integer":
            yield schema
        for part in schema.values():
            yield from integers(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from integers(part)


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.flow)
def test_every_integer_is_one_that_the_engine_can_tell_again(entry):
    """Beyond 64 bits its server takes it, and fails for every list with that run from then on."""
    for part in integers(strict_schema(load_flow(entry.flow))):
        assert abs(part["minimum"]) < 2**63, part
        assert part["maximum"] < 2**63, part


@pytest.mark.parametrize(
    ("fields", "is_right"),
    [
        ({"commits": ["4f2c9e1"], "parents": {"4f2c9e1": 1}, "merge_requests": [12]}, True),
        ({"plan": f"sha256:{'0' * 64}"}, True),
        ({"merge_requests": [99999999999999999999999]}, False),
        ({"merge_requests": [True]}, False),
        ({"merge_requests": ["7"]}, False),
        ({"parents": {"4f2c9e1": 17}}, False),
        ({"commits": ["main"]}, False),
        ({"allow_older": "yes"}, False),
        ({"plan": "5d0e"}, False),
        ({"colour": "red"}, False),
    ],
)
def test_the_form_of_a_hotfix_takes_what_the_flow_takes_and_nothing_else(fields, is_right):
    from prefect.utilities.schema_tools.validation import validate

    wanted = {"project": "shop", **fields}
    schema = strict_schema(load_flow("flows.hotfix:hotfix"))
    wrong = validate({"request": wanted}, schema, raise_on_error=False, preprocess=True)
    assert (not wrong) is is_right, wrong
    with nullcontext() if is_right else pytest.raises(ValidationError):
        HotfixRequest.model_validate(wanted)


def test_the_engine_bridge_starts_a_deployment_of_the_catalogue():
    names = [f"{load_flow(entry.flow).name}/{entry.name}" for entry in CATALOG]
    assert DEPLOYMENT in names
    assert len(set(names)) == len(names)


def test_a_name_that_is_no_flow():
    with pytest.raises(InternalError, match=r"^The catalogue names json:loads, which is no flow\."):
        load_flow("json:loads")


def test_a_run_imports_its_flow_before_prefect_puts_the_working_folder_first(tmp_path):
    command = job_variables(Deployment("flows.release:release"), tmp_path)["command"]
    assert command.endswith(" -m deployments.launch --warm flows.release prefect.engine")
