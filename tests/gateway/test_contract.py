"""The gateway keeps to its own OpenAPI document, whatever is sent (schemathesis, a bounded number of requests)."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

CALLS = 15
"""Requests for each operation, of those that fit its description and of those that do not."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_every_answer_is_as_described(api, release, mode):
    headers = {"Authorization": f"Bearer {api.token('alice')}"}
    document = schemathesis.openapi.from_asgi("/api/v1/openapi.json", api.app, headers=headers)
    # Nothing can be said wrong to /health.
    described = document.exclude(path="/health").get_all_operations()
    operations = [found.ok() for found in described]
    assert len(operations) == 6
    for operation in operations:

        @given(case=operation.as_strategy(mode))
        @settings(
            max_examples=CALLS,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case):
            if mode is schemathesis.GenerationMode.POSITIVE and case.method == "POST":
                case.body["project"] = "shop"  # a random name is no project's
            case.call_and_validate(headers=headers)

        check()
    kinds = {deployment for deployment, _, _ in api.engine.calls}
    is_right = mode is schemathesis.GenerationMode.POSITIVE
    assert kinds == ({"release/gare", "hotfix/gare", "rollback/gare"} if is_right else set())
