"""Environments, deployments, approvals, freeze periods. Part of the simulated GitLab."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gare.sandbox.gitlab.base import (
    DEVELOPER,
    PROJECT,
    GitLabBase,
    Project,
    declined,
    instant,
    paged,
)
from gare.sandbox.gitlab.course import Course, Job
from gare.sandbox.vendor import Reply, Request, control, route

DEPLOYMENT = PROJECT + "/deployments/{deployment_id}"
_BY_API = ("running", "success", "failed", "canceled")


@dataclass
class Deployment:
    """One deployment: by a job, or written down through the API."""

    id: int
    iid: int
    environment: str
    ref: str
    sha: str
    created_at: datetime
    updated_at: datetime
    status: str = "created"
    job: Job | None = None
    course: Course | None = None
    needed: int = 0
    """How many must say yes."""
    votes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """How many yes are missing."""
        approved = [vote for vote in self.votes if vote["status"] == "approved"]
        return max(self.needed - len(approved), 0)


class EnvironmentRoutes(GitLabBase):
    """Where a project runs. The seed's `environments:` may protect one: `approvals: 1`."""

    def environments_of(self, project: Project) -> dict[str, dict[str, Any]]:
        """Return the environments, by name."""
        if "environments" not in project.kept:
            project.kept["environments"] = {}
            for name, said in (project.seed.get("environments") or {}).items():
                self._make_environment(project, name, {"tier": (said or {}).get("tier", "other")})
        found: dict[str, dict[str, Any]] = project.kept["environments"]
        return found

    def deployments_of(self, project: Project) -> list[Deployment]:
        """Return the deployments, oldest first."""
        found: list[Deployment] = project.kept.setdefault("deployments", [])
        return found

    def plan_deployment(
        self, project: Project, course: Course, job: Job, ref: str, sha: str
    ) -> None:
        """Make the deployment of a job that has an environment; a protected one holds the job."""
        name = job.said.get("environment")
        if not name:
            return
        made = self._make_deployment(project, name, ref, sha)
        made.job, made.course = job, course
        protection = (project.seed.get("environments") or {}).get(name) or {}
        made.needed = protection.get("approvals", 0)
        job.is_held = made.needed > 0

    def refuse_unapproved(self, project: Project, job: Job) -> None:
        """Refuse to play a job whose deployment lacks approvals."""
        for one in self.deployments_of(project):
            if one.job is job and one.missing:
                raise declined(403, "403 Forbidden - The deployment is not approved yet")

    @route("GET", PROJECT + "/environments")
    def environments(self, request: Request) -> Reply:
        """List environments."""
        found = list(self.environments_of(self.project_of(request)).values())
        name, part = request.asked("name"), request.asked("search")
        kept = [one for one in found if name in ("", one["name"]) and part in one["name"]]
        return paged(request, kept)

    @route("GET", PROJECT + "/environments/{environment_id}")
    def environment(self, request: Request) -> Reply:
        """Show an environment."""
        return Reply(200, self._environment(self.project_of(request), request))

    @route("POST", PROJECT + "/environments")
    def make_environment(self, request: Request) -> Reply:
        """Create an environment."""
        project, fields = self.project_of(request, DEVELOPER), request.fields
        if fields["name"] in self.environments_of(project):
            raise declined(400, {"name": ["has already been taken"]})
        return Reply(201, self._make_environment(project, fields["name"], fields))

    @route("PUT", PROJECT + "/environments/{environment_id}")
    def change_environment(self, request: Request) -> Reply:
        """Change an environment."""
        found = self._environment(self.project_of(request, DEVELOPER), request)
        found |= {**request.fields, "name": found["name"], "updated_at": instant(self.clock.now())}
        return Reply(200, found)

    @route("POST", PROJECT + "/environments/{environment_id}/stop")
    def stop_environment(self, request: Request) -> Reply:
        """Stop an environment."""
        found = self._environment(self.project_of(request, DEVELOPER), request)
        found["state"] = "stopped"
        return Reply(200, found)

    @route("GET", PROJECT + "/protected_environments")
    def protected_environments(self, request: Request) -> Reply:
        """List protected environments."""
        project = self.project_of(request)
        return paged(
            request,
            [
                {
                    "name": name,
                    "deploy_access_levels": [{"access_level": DEVELOPER}],
                    "required_approval_count": said["approvals"],
                    "approval_rules": [],
                }
                for name, said in (project.seed.get("environments") or {}).items()
                if (said or {}).get("approvals")
            ],
        )

    @route("GET", PROJECT + "/deployments")
    def deployments(self, request: Request) -> Reply:
        """List deployments, oldest first unless asked otherwise."""
        project = self.project_of(request)
        found = [self._shown_deployment(one) for one in self.deployments_of(project)]
        if wanted := request.asked("environment"):
            found = [one for one in found if one["environment"]["name"] == wanted]
        if status := request.asked("status"):
            found = [one for one in found if one["status"] == status]
        order = request.asked("order_by", "id")
        found.sort(key=lambda one: (one[order], one["id"]), reverse=request.asked("sort") == "desc")
        return paged(request, found)

    @route("GET", DEPLOYMENT)
    def deployment(self, request: Request) -> Reply:
        """Show a deployment."""
        return Reply(
            200, self._shown_deployment(self._deployment(self.project_of(request), request))
        )

    @route("POST", PROJECT + "/deployments")
    def make_deployment(self, request: Request) -> Reply:
        """Write a deployment down that something else has made."""
        project, fields = self.project_of(request, DEVELOPER), request.fields
        if not project.repository.resolve(fields["sha"]):
            raise declined(400, {"ref": ["The branch or tag does not exist"]})
        made = self._make_deployment(project, fields["environment"], fields["ref"], fields["sha"])
        made.status = self._api_status(fields["status"])
        return Reply(201, self._shown_deployment(made))

    @route("PUT", DEPLOYMENT)
    def change_deployment(self, request: Request) -> Reply:
        """Say how a deployment ended that something else has made."""
        found = self._deployment(self.project_of(request, DEVELOPER), request)
        if found.job is not None:
            raise declined(403, "Deployment job cannot be updated by this API")
        if (
            found.status in ("success", "failed", "canceled")
            and found.status != request.fields["status"]
        ):
            raise declined(
                400,
                f"Cannot transition status via :{request.fields['status']} from :{found.status}",
            )
        found.status = self._api_status(request.fields["status"])
        found.updated_at = self.clock.now()
        return Reply(200, self._shown_deployment(found))

    @route("POST", DEPLOYMENT + "/approval")
    def approve(self, request: Request) -> Reply:
        """Take one vote on a blocked deployment; one no ends it."""
        project = self.project_of(request, DEVELOPER)
        found, fields = self._deployment(project, request), request.fields
        return Reply(201, self._vote(found, self.who(request), fields["status"], fields))

    @control("approve", "project", "environment")
    def approve_by_hand(self, fields: dict[str, Any]) -> Any:
        """Let a person vote on the newest deployment of `environment`: `project`, `user`, `status`."""
        project = self.named(fields["project"])
        found = next(
            one
            for one in reversed(self.deployments_of(project))
            if one.environment == fields["environment"]
        )
        return self._vote(
            found, fields.get("user", "root"), fields.get("status", "approved"), fields
        )

    def _vote(
        self, found: Deployment, user: str, status: str, fields: dict[str, Any]
    ) -> dict[str, Any]:
        if self._shown_deployment(found)["status"] != "blocked":
            raise declined(400, "This deployment is not waiting for approvals.")
        if any(vote["user"]["username"] == user for vote in found.votes):
            raise declined(400, "You have already approved this deployment")
        vote = {
            "user": self.user(user),
            "status": status,
            "comment": fields.get("comment"),
            "created_at": instant(self.clock.now()),
        }
        found.votes.append(vote)
        found.updated_at = self.clock.now()
        if status == "rejected" and found.job:
            found.job.rejected_at = self.clock.now()
        return vote

    @route("GET", PROJECT + "/freeze_periods")
    def freeze_periods(self, request: Request) -> Reply:
        """List freeze periods."""
        project = self.project_of(request)
        return paged(
            request,
            [
                {
                    "id": number,
                    "freeze_start": said["start"],
                    "freeze_end": said["end"],
                    "cron_timezone": said.get("zone", "UTC"),
                    "created_at": instant(self.clock.now()),
                    "updated_at": instant(self.clock.now()),
                }
                for number, said in enumerate(project.seed.get("freeze_periods", ()), 1)
            ],
        )

    @staticmethod
    def _api_status(status: str) -> str:
        if status not in _BY_API:
            raise declined(400, "status does not have a valid value", key="error")
        return status

    def _make_environment(
        self, project: Project, name: str, fields: dict[str, Any]
    ) -> dict[str, Any]:
        now = instant(self.clock.now())
        made = {
            "id": self.number(),
            "name": name,
            "slug": name.replace("/", "-").lower(),
            "external_url": fields.get("external_url"),
            "description": fields.get("description"),
            "tier": fields.get("tier") or "other",
            "state": "available",
            "created_at": now,
            "updated_at": now,
        }
        project.kept["environments"][name] = made
        return made

    def _make_deployment(self, project: Project, name: str, ref: str, sha: str) -> Deployment:
        if name not in self.environments_of(project):
            self._make_environment(project, name, {})
        found, now = self.deployments_of(project), self.clock.now()
        made = Deployment(self.number(), len(found) + 1, name, ref, sha, now, now)
        found.append(made)
        return made

    def _environment(self, project: Project, request: Request) -> dict[str, Any]:
        for one in self.environments_of(project).values():
            if str(one["id"]) == request.parts["environment_id"]:
                return one
        raise declined(404, "404 Environment Not Found")

    def _deployment(self, project: Project, request: Request) -> Deployment:
        for one in self.deployments_of(project):
            if str(one.id) == request.parts["deployment_id"]:
                return one
        raise declined(404, "404 Not found")

    def _shown_deployment(self, one: Deployment) -> dict[str, Any]:
        return {
            "id": one.id,
            "iid": one.iid,
            "ref": one.ref,
            "sha": one.sha,
            "status": self._status(one),
            "created_at": instant(one.created_at),
            "updated_at": instant(one.updated_at),
            "environment": {"id": 0, "name": one.environment},
            "deployable": one.job and {"id": one.job.id, "name": one.job.name},
            "pending_approval_count": one.missing,
            "approvals": one.votes,
            "approval_summary": {"rules": []},
        }

    def _status(self, one: Deployment) -> str:
        """Return a deployment's state; that of a job follows the job."""
        if one.job is None or one.course is None:
            return one.status
        if any(vote["status"] == "rejected" for vote in one.votes):
            return "failed"
        if one.missing:
            return "blocked"
        status = one.course.statuses(self.clock.now())[one.job.id]
        known = ("running", "success", "failed", "canceled", "skipped")
        return status if status in known else "created"
