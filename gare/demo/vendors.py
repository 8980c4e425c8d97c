"""The demo's GitLab and Jira: the sandbox in a thread of this process, and what a person sees there.

It looks through the vendors' own APIs, as anybody could; what Gare writes there is Gare's alone.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gare.demo import rest
from gare.demo.project import HOSTED, SEED, TOKENS, Demo

_DESCRIPTIONS = "GARE_CONTRACTS"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that GitLab or Jira shows, and how it stands."""

    name: str
    stands: str
    title: str = ""


@contextmanager
def served(demo: Demo) -> Iterator["Vendors"]:
    """Serve both in the block. They are in memory and end with this process, however it ends."""
    # Imported here: the web server is only needed once a demo really begins.
    from gare.sandbox.host import Sandbox
    from gare.sandbox.seed import load_seed
    from gare.sandbox.sockets import serving

    descriptions = os.environ.get(_DESCRIPTIONS)
    sandbox = Sandbox(
        load_seed(demo.folder / SEED), descriptions=Path(descriptions) if descriptions else None
    )
    with serving(sandbox.app, demo.ports.vendors) as url:
        yield Vendors(url)


@dataclass(slots=True)
class Vendors:
    """Both, once they are up, and what was seen there last."""

    url: str
    seen: Sequence[Row] = ()

    def look(self) -> Sequence[Row]:
        """Return all that there is: code and its way out in GitLab, then versions and tickets in Jira."""
        self.seen = [
            *self._merge_requests(),
            *self._branches(),
            *(self._pipelines() or [Row("pipelines", "none")]),
            *(self._releases() or [Row("releases", "none")]),
            *self._environments(),
            *self._versions(),
            *self._tickets(),
        ]
        return self.seen

    def _merge_requests(self) -> list[Row]:
        return [
            Row(f"!{one['iid']}", "draft" if one["draft"] else one["state"], one["title"])
            for one in reversed(self._gitlab("merge_requests"))
        ]

    def _branches(self) -> list[Row]:
        found = self._gitlab("repository/branches")
        return [
            Row(f"branch {one['name']}", f"at {one['commit']['short_id']}", one["commit"]["title"])
            for one in found
            if not one["default"]
        ]

    def _pipelines(self) -> list[Row]:
        return [
            Row(f"pipeline {one['id']}", one["status"], f"{self._jobs(one['id'])}; {one['ref']} at {one['sha'][:8]}")
            for one in reversed(self._gitlab("pipelines"))
        ]  # fmt: skip

    def _jobs(self, pipeline: int) -> str:
        return ", ".join(job["name"] for job in self._gitlab(f"pipelines/{pipeline}/jobs"))

    def _releases(self) -> list[Row]:
        return [
            Row(
                f"release {one['tag_name']}",
                "rolled back" if "Rolled back" in one["description"] else "out",
                ", ".join(link["name"] for link in one["assets"]["links"]),
            )
            for one in reversed(self._gitlab("releases"))
        ]

    def _environments(self) -> list[Row]:
        last = {
            one["environment"]["name"]: f"at {one['sha'][:8]}"
            for one in self._gitlab("deployments")
        }
        names = [one["name"] for one in self._gitlab("environments")]
        return [Row(name, last.get(name, "never deployed to")) for name in names]

    def _versions(self) -> list[Row]:
        return [
            Row(f"version {one['name']}", "released" if one["released"] else "unreleased")
            for one in self._jira("project/TEA/versions")
        ]

    def _tickets(self) -> list[Row]:
        query = (
            "search/jql?jql=project+in+(TEA,OPS)&fields=summary,status,fixVersions&maxResults=100"
        )
        return [
            Row(one["key"], self._standing(one["key"], one["fields"]), one["fields"]["summary"])
            for one in self._jira(query)["issues"]
        ]

    def _standing(self, key: str, fields: Mapping[str, Any]) -> str:
        versions = ", ".join(version["name"] for version in fields["fixVersions"])
        comments = self._jira(f"issue/{key}/comment?maxResults=0")["total"]
        parts = [fields["status"]["name"]]
        parts += [f"in {versions}"] if versions else []
        parts += [f"{comments} comment{'s' * (comments > 1)}"] if comments else []
        return ", ".join(parts)

    def _gitlab(self, path: str) -> Any:
        address = (
            f"{self.url}/gitlab/api/v4/projects/{HOSTED.replace('/', '%2F')}/{path}?per_page=100"
        )
        return rest.ask(address, {"PRIVATE-TOKEN": TOKENS["gitlab"]})

    def _jira(self, path: str) -> Any:
        return rest.ask(
            f"{self.url}/jira/rest/api/3/{path}", {"Authorization": f"Bearer {TOKENS['jira']}"}
        )


def listed(rows: Sequence[Row]) -> list[str]:
    """Return a line for each."""
    widths = [max(len(getattr(row, part)) for row in rows) for part in ("name", "stands")]
    return [
        f"  {row.name:<{widths[0]}}  {row.stands:<{widths[1]}}  {row.title}".rstrip()
        for row in rows
    ]


def changed(before: Sequence[Row], after: Sequence[Row], named: Collection[str]) -> list[str]:
    """Return a line for what is new, one for all that have changed alike, one for what stands as it did.

    Of the last, only what is `named` is told by name.
    """
    was = {row.name: row.stands for row in before}
    new = [row for row in after if row.name not in was]
    alike: dict[str, list[str]] = {}
    for row in after:
        if row.name in was and was[row.name] != row.stands:
            alike.setdefault(f"{was[row.name]} -> {row.stands}", []).append(row.name)
    same = [row for row in after if was.get(row.name) == row.stands]
    told = [f"{row.name} ({row.stands})" for row in same if row.name in named]
    left = len(same) - len(told)
    others = [f"{left} other{'s' * (left > 1)}"] if left else []
    return [
        *(listed(new) if new else []),
        *(f"  {', '.join(names)}: {how}" for how, names in alike.items()),
        f"  as before: {', '.join([*told, *others])}",
    ]
