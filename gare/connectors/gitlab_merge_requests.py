"""GitLab's merge requests. Part of gare.connectors.gitlab."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gare.connectors.gitlab_site import PAGE, WRITE, GitLabSite
from gare.connectors.vendor_errors import understood
from gare.ports.merge_requests import MergeRequest

_TRANSIENT = frozenset({"unchecked", "checking", "preparing", "approvals_syncing"})


@understood("GitLab")
class GitLabMergeRequests:
    """The merge requests of a project. Implements `MergeRequests` (REST v4)."""

    def __init__(self, site: GitLabSite) -> None:
        self._site = site

    def find(self, source_branch: str, target_branch: str) -> MergeRequest | None:
        """Return the newest merge request between two branches that is not closed."""
        with self._site.asking("look for merge requests"):
            found = self._site.project.mergerequests.list(
                source_branch=source_branch, target_branch=target_branch, get_all=True
            )
        for one in found:
            if one.state != "closed":
                return _merge_request(one.attributes)
        return None

    def get(self, number: int) -> MergeRequest:
        """Return a merge request."""
        with self._site.asking(f"read merge request !{number}"):
            return _merge_request(self._site.one(f"merge_requests/{number}"))

    def merged(self, target_branch: str, since: datetime | None) -> Sequence[MergeRequest]:
        """Return what was merged into a branch after an instant: a request per hundred."""
        query: dict[str, Any] = {
            "state": "merged",
            "target_branch": target_branch,
            "per_page": PAGE,
        }
        if since:
            query["updated_after"] = since.isoformat()
        with self._site.asking(f"read what was merged into {target_branch}"):
            return [_merge_request(one) for one in self._site.rows("merge_requests", query)]

    def commits(self, number: int) -> Sequence[str]:
        """Return the commits of a merge request, oldest first."""
        with self._site.asking(f"read the commits of merge request !{number}"):
            found = self._site.project.mergerequests.get(number, lazy=True)
            return [commit.id for commit in found.commits(get_all=True)][::-1]

    def open(
        self, source_branch: str, target_branch: str, title: str, description: str
    ) -> MergeRequest:
        """Open a merge request."""
        fields = {
            "source_branch": source_branch,
            "target_branch": target_branch,
            "title": title,
            "description": description,
        }
        with self._site.asking(f"open a merge request into {target_branch}", WRITE):
            return _merge_request(self._site.project.mergerequests.create(fields).attributes)

    def merge(self, number: int, commit: str) -> MergeRequest:
        """Merge when the head still is `commit`."""
        with self._site.asking(f"merge !{number}", WRITE):
            # The SDK would send the commit in the address, where GitLab's manual has it in the body.
            address = f"/projects/{self._site.project.encoded_id}/merge_requests/{number}/merge"
            merged: Any = self._site.client.http_put(address, post_data={"sha": commit})
        return _merge_request(merged)


def _merge_request(said: Mapping[str, Any]) -> MergeRequest:
    readiness = said.get("detailed_merge_status") or ""
    is_open = said["state"] == "opened"
    waits_for = "" if readiness == "mergeable" or not is_open else _in_words(readiness)
    return MergeRequest(
        number=said["iid"],
        title=said.get("title") or "",
        state=said["state"],
        source_branch=said.get("source_branch") or "",
        target_branch=said.get("target_branch") or "",
        commit=said.get("sha") or "",
        url=said.get("web_url") or "",
        description=said.get("description") or "",
        merged_commit=said.get("merge_commit_sha") or said.get("squash_commit_sha") or "",
        is_mergeable=is_open and readiness == "mergeable",
        waits_for=waits_for,
    )


def _in_words(readiness: str) -> str:
    if readiness in _TRANSIENT or not readiness:
        return "GitLab is still checking it"
    return readiness.replace("_", " ")
