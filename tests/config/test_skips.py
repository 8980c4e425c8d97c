"""What a hotfix may leave out, and what is said when it may not."""

import pytest

from gare.config.loader import load_station
from gare.errors import ConfigError

STATION = """
repositories: [.]
people: [{name: alice, email: alice@example.org, groups: [managers]}]
environments: {staging: {}, production: {approval: {groups: {managers: 1}}}}
"""
PROJECT = """\
name: shop
source: {type: git}
environments:
  staging: {target: {type: directory, path: ../staging}}
  production: {target: {type: directory, path: ../production}}
"""
MAY = "`build`, `test`, `validate`, `deploy-staging`, `verify-staging` and `announce`"


@pytest.fixture
def said(tmp_path):
    """Load a project with this said about hotfixes; return what is wrong."""
    (tmp_path / "station.yaml").write_text(STATION)

    def load(text: str) -> str:
        (tmp_path / "gare.yaml").write_text(PROJECT + text)
        with pytest.raises(ConfigError) as caught:
            load_station(tmp_path)
        return str(caught.value)

    return load


@pytest.mark.parametrize(
    "step", ["plan", "publish", "close", "approve-production", "deploy-production"]
)
def test_what_a_hotfix_is_nothing_without_cannot_be_skipped(said, step):
    text = f"hotfix: {{skip: [{{step: {step}, later: look at it}}]}}\n"
    assert (
        f"gare.yaml:6: hotfix.skip[0].step: a hotfix is nothing without its step `{step}`. It may skip {MAY}"
        in said(text)
    )


def test_a_step_that_there_is_not_names_the_nearest(said):
    text = "hotfix: {skip: [{step: deploy-stagin, later: look at it}]}\n"
    assert "there is no standard step `deploy-stagin`. Did you mean `deploy-staging`?" in said(text)


def test_a_skip_without_its_later_check_is_an_error(said):
    assert "gare.yaml:6: hotfix.skip[0].later" in said("hotfix: {skip: [{step: test}]}\n")


def test_an_approval_that_nobody_can_give(said):
    assert (
        "gare.yaml:6: hotfix.approval.groups.qa: nobody in station.yaml is in this group."
        in said("hotfix: {approval: {groups: {qa: 1}}}\n")
    )
