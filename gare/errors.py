"""The one exception tree: what went wrong, where, and what to do; grouped by what the caller does next.

Imports nothing. Exit codes are part of the public contract (docs/exit-codes.md).
"""

from typing import ClassVar


class GareError(Exception):
    """Base of everything Gare raises on purpose.

    `what` is one sentence, `where` names file, line, key, release or address, `hint` is what to do next.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what, where, hint)
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        """Return the message in the one form people see: `what Where. Hint`."""
        return " ".join(
            part for part in (self.what, self.where and f"({self.where})", self.hint) if part
        )


class ConfigError(GareError):
    """A file, key, value, extra or secret is wrong or missing; a person must edit something."""

    exit_code = 2


class Refused(GareError):
    """A rule says no: gate, approval, nothing to release, invalid transition."""

    exit_code = 3


class NothingToRelease(Refused):
    """There is no change since the last release: a train leaves the member out and departs."""


class Fenced(Refused):
    """Another process has taken this one's work over: it must stop at once and write nothing more."""


class LosesFix(Refused):
    """A release would take a hotfix's fix away again. Mended by merging it, or by a person who answers for it."""


class ConnectorError(GareError):
    """Something outside Gare (Git, a host, a vendor, the engine) did not do what was asked."""

    exit_code = 4


class Unavailable(ConnectorError):
    """The other side cannot be reached now; the same call may work later, not before `retry_after_s` if it said so."""

    retryable = True

    def __init__(
        self, what: str, *, where: str = "", hint: str = "", retry_after_s: float = 0
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.retry_after_s = retry_after_s


class RateLimited(Unavailable):
    """The other side asked us to slow down."""


class Interrupted(Unavailable):
    """The station itself was away while a run was under way: the run is brought on, but not without end."""


class LedgerAway(Interrupted):
    """The ledger itself cannot be used now: no failure of what was being done; that is done when it is back."""


class Unsure(ConnectorError):
    """The connection broke after something was sent: nobody knows whether it was done. Never repeated by itself."""


class AuthenticationFailed(ConnectorError):
    """The other side does not know us: the credential is wrong or expired."""


class PermissionDenied(ConnectorError):
    """The other side knows us and says no."""


class NotFound(ConnectorError):
    """The thing named does not exist there, or may not be seen by us."""


class UnknownName(NotFound):
    """Gare itself knows nothing that is called so, no release, plan or freeze; a person must write another name."""

    exit_code = 2


class Conflict(ConnectorError):
    """The thing exists and differs from what the plan wants; names both."""


class UnexpectedReply(ConnectorError):
    """The other side answered something its manual does not say."""


class StepFailed(GareError):
    """A step's own work failed: a command, a test, a health check. Retried only as the plan says."""


class RolloutFailed(GareError):
    """A deployment did not hold; the message says what is live now. `is_back`: it is what was live before."""

    exit_code = 5

    def __init__(
        self, what: str, *, where: str = "", hint: str = "", is_back: bool = False
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.is_back = is_back


class InternalError(GareError):
    """A defect of Gare itself."""

    exit_code = 70
