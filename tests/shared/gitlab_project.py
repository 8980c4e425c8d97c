"""A GitLab project for tests, and Gare's connector to it."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from gare.connectors.gitlab import GitLab
from gare.connectors.gitlab_settings import GitLabConnection, GitLabProject
from gare.connectors.gitlab_site import policy_of

PATH = "shop/web/teashop"
TOKEN = "glpat-of-a-maintainer"

GITLAB: dict[str, Any] = {
    "type": "gitlab",
    "tokens": {
        TOKEN: {"user": "gare"},
        "glpat-of-an-intern": {"user": "intern"},
        "glpat-of-a-developer": {"user": "dev"},
        "glpat-read-only": {"user": "gare", "scopes": ["read_api"]},
        "glpat-expired": {"user": "gare", "expires": "2026-01-01"},
        "glpat-of-a-stranger": {"user": "stranger"},
    },
    "projects": {
        PATH: {
            "members": {"gare": "maintainer", "intern": "reporter", "dev": "developer"},
            "protected_tags": [{"name": "v*", "create": "maintainer"}],
            "protected_branches": [{"name": "main", "push": "maintainer", "merge": "developer"}],
            "commits": [
                {"subject": "feat: sell tea", "tag": "v0.1.0"},
                {"subject": "fix: round prices (#1)"},
                {"subject": "feat: gift wrapping (#2)"},
            ],
            "environments": {
                "staging": {"tier": "staging"},
                "production": {"tier": "production", "approvals": 1},
            },
            "freeze_periods": [{"start": "0 15 * * 5", "end": "0 7 * * 1", "zone": "Europe/Paris"}],
            "issues": [
                {"title": "Prices", "state": "closed", "milestone": "0.2.0"},
                {"title": "Gift wrapping", "labels": ["doing"]},
                {"title": "Loyalty points", "milestone": "0.2.0"},
                {"title": "Cups break", "labels": ["back again"]},
            ],
            "pipeline": {
                "jobs": {
                    "package": {
                        "stage": "build",
                        "passes": ["waiting_for_resource", "preparing"],
                        "takes_s": 2,
                        "artifacts": {"teashop.txt": "tea"},
                    },
                    "unit": {"stage": "test", "takes_s": 2, "tests": {"passed": 3, "skipped": 1}},
                    "review": {"stage": "ship", "when": "manual", "allow_failure": False},
                }
            },
        }
    },
}
"""One project with a member of each role."""


def connected(
    url: str, *, token: str = TOKEN, project: str = PATH, naps: list[float] | None = None
) -> GitLab:
    """Return the connector to a sandbox's GitLab; it notes its pauses in `naps` instead of taking them."""
    connection = GitLabConnection.model_validate(
        {"type": "gitlab", "url": f"{url}/gitlab", "token": "$GARE_TEST_GITLAB_TOKEN"}
    )
    os.environ["GARE_TEST_GITLAB_TOKEN"] = token
    settings = GitLabProject(connection="gitlab", project=project)
    policy = policy_of(connection, Path())
    if naps is not None:
        policy = replace(policy, sleep=naps.append)
    made = GitLab(connection, settings, Path(), policy)
    _ = made.site.client  # the token is read now, not when another test has set another one
    return made


def head(gitlab: GitLab) -> str:
    """Return the newest commit of the project's branch."""
    with gitlab.site.asking("read the branch"):
        return str(gitlab.site.project.branches.get("main").commit["id"])
