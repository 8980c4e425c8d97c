"""The catalogue, and the schema it gives the server."""

import pytest

from deployments.apply import job_variables, load_flow, strict_schema
from deployments.catalog import CATALOG, Deployment
from gare.engine import DEPLOYMENT
from gare.errors import InternalError


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
