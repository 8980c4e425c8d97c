"""What GitLab lets the token do: scopes, role, protected tags and branches. Part of gare.connectors.gitlab."""

from collections.abc import Iterable, Mapping
from datetime import date
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from gare.connectors.gitlab_site import WRITE, Account, GitLabSite, level_of_role, role_of
from gare.connectors.vendor_errors import understood

_SCOPE = "api"
_OWN = ("user_id", "group_id", "deploy_key_id")
"""Keys of a rule that is about somebody, whatever its level says."""


@understood("GitLab")
class GitLabAccess:
    """What one project lets the token do. Implements `HostingAccess` (REST v4: protected tags and branches)."""

    def __init__(self, site: GitLabSite) -> None:
        self._site = site

    @property
    def place(self) -> str:
        """Name the project."""
        return self._site.where

    @cached_property
    def _account(self) -> Account:
        return self._site.account()

    def who(self) -> str:
        """Say as whom we are there, and in which role."""
        return f"{self._account.user} with the role {self._account.role}"

    def lacking(self) -> str:
        """Say what the token lacks to write there."""
        account = self._account
        if account.scopes and _SCOPE not in account.scopes:
            return f"the token lacks the scope `{_SCOPE}`: it has {', '.join(account.scopes)}"
        if account.level < level_of_role(WRITE):
            return f"the role {WRITE} is missing: {account.user} has {account.role}"
        return ""

    def ends_on(self) -> date | None:
        """Return the token's last day."""
        return self._account.expires_on

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

    def _refused(self, what: str, name: str, rules: Iterable[tuple[str, Any]]) -> str:
        """Of several rules that cover a name, one that lets us is enough."""
        levels = [
            one for pattern, found in rules if fnmatchcase(name, pattern) for one in (found or [{}])
        ]
        if not levels or any(map(self._lets_us, levels)):
            return ""
        wanted = list(dict.fromkeys(filter(None, map(_in_words, levels))))
        if not wanted:
            return f"{what} is protected: nobody may make or change it"
        return f"{what} is protected: it takes {' or '.join(wanted)}, and we are {self.who()}"

    def _lets_us(self, one: Mapping[str, Any]) -> bool:
        if any(one.get(key) for key in _OWN):
            return bool(one.get("user_id") == self._account.user_id)
        return bool(0 < (one.get("access_level") or 0) <= self._account.level)


def _in_words(one: Mapping[str, Any]) -> str:
    """Say whom a rule lets; empty for nobody."""
    told = str(one.get("access_level_description") or "")
    if one.get("user_id"):
        return f"the user {told or one['user_id']}"
    if one.get("group_id"):
        return f"a member of the group {told or one['group_id']}"
    if one.get("deploy_key_id"):
        return "a deploy key"
    level = one.get("access_level") or 0
    return f"the role {role_of(level)}" if level else ""
