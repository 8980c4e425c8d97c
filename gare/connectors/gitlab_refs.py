"""GitLab's tags and branches, and who may change them. Part of gare.connectors.gitlab."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from gare.connectors.gitlab_site import WRITE, GitLabSite, level_of, role_of
from gare.connectors.vendor_errors import understood


@understood("GitLab")
class GitLabRefs:
    """The refs of a project. Implements `HostedRefs` (REST v4: protected tags and branches, repository)."""

    def __init__(self, site: GitLabSite) -> None:
        self._site = site

    def refused_tag(self, name: str) -> str:
        """Say why this tag may not be made by the token's user."""
        with self._site.asking("read the protected tags", WRITE):
            rules = list(self._site.rows("protected_tags"))
        found = ((one["name"], one["create_access_levels"]) for one in rules)
        return self._refused(f"tag {name}", name, found)

    def refused_push(self, branch: str) -> str:
        """Say why the token's user may not push to a branch."""
        with self._site.asking("read the protected branches", WRITE):
            rules = list(self._site.rows("protected_branches"))
        found = ((one["name"], one["push_access_levels"]) for one in rules)
        return self._refused(f"branch {branch}", branch, found)

    def tag(self, name: str) -> str:
        """Return the commit of a tag."""
        with self._site.asking(f"read tag {name}"):
            found = self._site.project.tags.list(search=f"^{name}", get_all=True)
        return next((one.commit["id"] for one in found if one.name == name), "")

    def branch(self, name: str) -> str:
        """Return the commit of a branch."""
        with self._site.asking(f"read branch {name}"):
            found = self._site.project.branches.list(search=f"^{name}", get_all=True)
        return next((one.commit["id"] for one in found if one.name == name), "")

    def compare(self, older: str, newer: str) -> Sequence[str]:
        """Return the commits that `newer` has and `older` has not (REST v4: repository compare)."""
        with self._site.asking(f"compare {older} with {newer}"):
            found: Any = self._site.project.repository_compare(older, newer)
        return [commit["id"] for commit in found["commits"]]

    @cached_property
    def _own_level(self) -> int:
        with self._site.asking("read the project"):
            return level_of(self._site.one())

    def _refused(self, what: str, name: str, rules: Iterable[tuple[str, Any]]) -> str:
        """Of several rules that cover a name, one that lets us is enough."""
        needed = [
            min((level["access_level"] for level in levels if level["access_level"]), default=0)
            for pattern, levels in rules
            if fnmatchcase(name, pattern)
        ]
        if not needed or any(0 < level <= self._own_level for level in needed):
            return ""
        level = min((level for level in needed if level), default=0)
        if not level:
            return f"{what} is protected: nobody may make or change it"
        return f"{what} is protected: it takes the role {role_of(level)}"
