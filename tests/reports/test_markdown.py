"""Pages for the engine's UI: what approvers are shown before they say yes."""

import pytest

from gare.domain.plan import Kind
from gare.ledger.ledger import Ledger
from gare.reports.markdown import approval_page

HOTFIX = {
    "picks": [{"commit": "a" * 40, "made": "b" * 40, "patch": "", "subject": "fix: total | tax"}],
    "skipped": [{"step": "deploy-staging", "later": "Run the long tests"}],
}
TRAIN = {
    "members": [{"project": "api", "version": "2.1.0", "commit": "c" * 40, "needs": []}],
    "left_out": [{"project": "web", "reason": "Nothing to release.", "is_empty": True}],
}


@pytest.fixture
def page(ledger, story):
    """Give the page that asks for a yes to a plan."""

    def make(**changes: object) -> str:
        release, plan = story.open_release(ledger, story.make_plan(**changes))
        return approval_page(plan, story.RULE, release, "sha256:1", {})

    return make


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


def test_approvers_see_that_it_is_a_hotfix_what_it_fixes_and_what_it_skips(page):
    warning = "skips deploy-staging; to check later: Run the long tests"
    said = page(kind=Kind.HOTFIX, details=HOTFIX, warnings=(warning,))
    assert said.startswith("# Release the hotfix Shop 1.4.0 to production?")
    assert f"> **Note:** {warning}" in said
    assert f"| `{'a' * 12}` | `{'b' * 12}` | fix: total \\| tax |" in said
    assert "| deploy-staging | Run the long tests |" in said
    assert said.index("## Skipped") < said.index("## Votes"), "before the question is answered"


@pytest.mark.parametrize(
    ("kind", "details", "question"),
    [
        (Kind.RELEASE, {}, "# Release Shop 1.4.0 to production?"),
        (Kind.ROLLBACK, {}, "# Roll Shop in production back to 1.4.0?"),
        (Kind.TRAIN, TRAIN, "# Let Shop, 1.4.0, depart?"),
    ],
)
def test_approvers_of_every_kind_see_what_the_plan_warns_of(page, kind, details, question):
    said = page(kind=kind, details=details, warnings=("3 commits name no ticket",))
    assert said.startswith(question)
    assert "> **Note:** 3 commits name no ticket" in said
    if kind is Kind.TRAIN:
        assert f"| api | 2.1.0 | `{'c' * 12}` |" in said
        assert "| web | Nothing to release. |" in said
