"""GitLab's environments, deployments and freeze periods. Part of gare.connectors.gitlab."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from gare.connectors.gitlab_site import WRITE, GitLabSite
from gare.connectors.vendor_errors import understood
from gare.ports.environments import DeploymentRecord
from gare.ports.freezes import FreezePeriod

_NEWEST, _FURTHEST = 100, 1000


@understood("GitLab")
class GitLabEnvironments:
    """The environments of a project. Implements `Environments` (REST v4: deployments, jobs)."""

    def __init__(self, site: GitLabSite) -> None:
        self._site = site

    def look(self, environment: str, commit: str, ref: str) -> DeploymentRecord | None:
        """Return the newest record of this commit there."""
        for one in self._newest(environment):
            if (one["sha"], one["ref"]) == (commit, ref):
                return self._record(one)
        return None

    def record(
        self, environment: str, commit: str, ref: str, *, is_tag: bool, status: str
    ) -> DeploymentRecord:
        """Write a deployment down; GitLab makes the environment where it is new."""
        fields = {
            "environment": environment,
            "sha": commit,
            "ref": ref,
            "tag": is_tag,
            "status": status,
        }
        with self._site.asking(f"record a deployment to {environment}", WRITE):
            return self._record(self._site.project.deployments.create(fields).attributes)

    def set_status(self, id: int, status: str) -> None:
        """Say how a recorded deployment ended."""
        with self._site.asking(f"change deployment {id}", WRITE):
            self._site.project.deployments.update(id, {"status": status})

    def get(self, id: int) -> DeploymentRecord:
        """Return a deployment as it stands now."""
        with self._site.asking(f"read deployment {id}"):
            return self._record(self._site.one(f"deployments/{id}"))

    def of_job(self, job: int) -> DeploymentRecord | None:
        """Return the deployment that a job makes; its environment is on no page of the job (REST v4: jobs)."""
        query = {"order_by": "id", "sort": "desc", "per_page": _NEWEST}
        with self._site.asking("read the newest deployments"):
            # A job may wait for its approval for long: others have deployed since.
            found = islice(self._site.rows("deployments", query), _FURTHEST)
            one = next((d for d in found if (d.get("deployable") or {}).get("id") == job), None)
        # The list leaves the approvals out.
        return self.get(one["id"]) if one else None

    @property
    def user(self) -> str:
        """Return the token's user."""
        return self._site.user

    def approve(self, id: int, comment: str) -> None:
        """Say yes to a blocked deployment. The job must be played afterwards."""
        with self._site.asking(f"approve deployment {id}", WRITE):
            self._site.project.deployments.get(id, lazy=True).approval("approved", comment)

    def play(self, job: int) -> None:
        """Start a job that waits for a person."""
        with self._site.asking(f"play job {job}", WRITE):
            self._site.project.jobs.get(job, lazy=True).play()

    def _newest(self, environment: str) -> list[Mapping[str, Any]]:
        """Return the newest deployments: what is looked for after a write is among them."""
        query = {
            "environment": environment,
            "order_by": "id",
            "sort": "desc",
            "per_page": _NEWEST,
        }
        with self._site.asking(f"read the deployments to {environment}"):
            found = self._site.project.deployments.list(
                get_all=False,
                query_parameters=query,
            )
        return [one.attributes for one in found]

    def _record(self, said: Mapping[str, Any]) -> DeploymentRecord:
        job = said.get("deployable") or {}
        status = said["status"]
        missing = said.get("pending_approval_count") or 0
        return DeploymentRecord(
            id=said["id"],
            environment=(said.get("environment") or {}).get("name") or "",
            status=status,
            commit=said["sha"],
            ref=said["ref"],
            pending_approvals=missing,
            job=job.get("id") or 0,
            has_to_be_played=bool(job) and status in ("created", "blocked") and not missing,
            approved_by=tuple(
                vote["user"]["username"]
                for vote in said.get("approvals") or ()
                if vote["status"] == "approved"
            ),
        )


@understood("GitLab")
class GitLabFreezes:
    """The deploy freezes of a project. Implements `FreezeSource` (REST v4: freeze_periods).

    GitLab itself refuses nothing in them: Gare does.
    """

    def __init__(self, site: GitLabSite) -> None:
        self._site = site

    @property
    def place(self) -> str:
        """Name where they are kept."""
        return self._site.where

    def freeze_periods(self, *, is_hasty: bool = False) -> Sequence[FreezePeriod]:
        """Return every freeze period; python-gitlab has no call of its own for them."""
        site = self._site.hasty if is_hasty else self._site
        with site.asking("read the freeze periods"):
            found = list(site.rows("freeze_periods"))
        return [
            FreezePeriod(
                f"freeze period {one['id']}",
                one["freeze_start"],
                one["freeze_end"],
                one.get("cron_timezone") or "UTC",
            )
            for one in found
        ]
