"""What goes wrong between Gare and a vendor's HTTP API, as our errors: the shared bottom of each vendor's own table."""

import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from gare import masking
from gare.errors import (
    AuthenticationFailed,
    ConfigError,
    Conflict,
    ConnectorError,
    GareError,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unavailable,
    UnexpectedReply,
)

if TYPE_CHECKING:
    from requests import Response

_TOLD = 300
FORMS = (KeyError, IndexError, TypeError, AttributeError, ValueError)
"""What Python says of a reply that lacks something, or is something else than the manual says."""

Kind = TypeVar("Kind", bound=type)


def limited(vendor: str, reason: str, asked_s: float, *, where: str) -> RateLimited:
    """Return the error for a 429."""
    told = f" ({reason})" if reason else ""
    return RateLimited(
        f"{vendor} asks us to slow down{told}, for {asked_s:.0f} s.",
        where=where,
        hint="Try again then, or ask its administrator for a higher limit.",
        retry_after_s=asked_s,
    )


def away(
    vendor: str, why: str, *, where: str, is_write: bool = False, retry_after_s: float = 0
) -> Unavailable:
    """Return the error for a vendor that cannot be used now."""
    doubt = " Whether it was done is looked up first." if is_write else ""
    return Unavailable(
        f"{vendor} cannot be used now: {masking.current().apply(why)}.",
        where=where,
        hint=f"Try again when it is back.{doubt}",
        retry_after_s=retry_after_s,
    )


def not_trusted(vendor: str, error: BaseException, *, where: str) -> GareError:
    """Return the error for a connection whose TLS failed; one that only broke off says nothing about trust."""
    said = innermost(error)
    if any(
        word in said for word in ("WRONG_VERSION_NUMBER", "record layer failure", "HTTP_REQUEST")
    ):
        return ConfigError(
            f"{vendor} does not speak TLS there: {said}.",
            where=where,
            hint="Look at the port in the `url` of the connection.",
        )
    if "EOF" in said:
        return away(vendor, f"the connection was cut: {said}", where=where)
    return ConfigError(
        f"The certificate of {vendor} cannot be trusted: {said}.",
        where=where,
        hint="Name the file of its certificate authority as `ca_file` of the connection; it is never switched off.",
    )


def web_page(vendor: str, method: str, *, where: str) -> UnexpectedReply:
    """Return the error for a web page where data is due: a proxy or a sign-in stands in front."""
    return UnexpectedReply(
        f"{vendor} answered {method} with a web page instead of data: somebody asks to sign in.",
        where=where,
        hint="Look at the `url` of the connection, and at a proxy or single sign-on in front of it.",
    )


def unreadable(vendor: str, what: str, *, where: str) -> UnexpectedReply:
    """Return the error for an answer that is not what the manual says."""
    return UnexpectedReply(
        f"{vendor} answered something that cannot be read: {masking.current().apply(what[:_TOLD])}.",
        where=where,
        hint="Look at the `url` of the connection, and at a proxy in front of it.",
    )


_REFUSALS: Mapping[int, type[ConnectorError]] = {
    401: AuthenticationFailed,
    403: PermissionDenied,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    410: NotFound,
}


def refusal(status: int, what: str, *, where: str, hint: str = "") -> ConnectorError:
    """Return our error for a vendor's no."""
    kind = _REFUSALS.get(status)
    if kind is None:
        kind = UnexpectedReply if status < 500 else Unavailable
    if kind is Unavailable:
        hint = "It is its own failure: look at its state, and at its log for this request."
    return kind(masking.current().apply(what), where=where, hint=hint)


def understood(vendor: str) -> Callable[[Kind], Kind]:
    """Decorate a connector: a reply that lacks something, or is of another shape, is an UnexpectedReply of its methods.

    Its `_site` has the `trace` of the last request.
    """

    def decorate(connector: Kind) -> Kind:
        for name, method in vars(connector).copy().items():
            if not name.startswith("_") and callable(method):
                setattr(connector, name, _at_the_edge(vendor, name, method))
        return connector

    return decorate


def _at_the_edge(vendor: str, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return method(self, *args, **options)
        except FORMS as error:
            raise misshapen(
                vendor, name.replace("_", " "), error, where=self._site.trace
            ) from error

    return call


def misshapen(vendor: str, what: str, error: Exception, *, where: str) -> UnexpectedReply:
    """Return the error for an answer that is data, and not the data that is asked for."""
    lacks = f"it has no {error}" if isinstance(error, KeyError) else f"{error}"
    return UnexpectedReply(
        f"{vendor} answered something else than its manual says ({what}): "
        f"{masking.current().apply(lacks)[:_TOLD].rstrip('.')}.",
        where=where,
        hint="Look at the `url` of the connection, and at a proxy or a page of maintenance in front of it.",
    )


def breaks_off(response: "Response") -> str:
    """Say that the JSON of an answer breaks off or is damaged; empty when it is whole. It is parsed once, for all.

    Raises ValueError when it is no JSON at all.
    """
    try:
        parsed = json.loads(response.content)
    except ValueError:
        if response.content.lstrip()[:1] in (b"{", b"["):
            return f"its answer breaks off after {len(response.content)} bytes"
        raise
    response.json = lambda **_options: parsed  # type: ignore[method-assign]
    # python-gitlab reads JSON only where it is declared.
    response.headers["Content-Type"] = "application/json"
    return ""


def innermost(error: BaseException) -> str:
    """Return the last reason of a chain of wrapped errors, in one line."""
    seen = error
    while True:
        inner = seen.args[-1] if seen.args and isinstance(seen.args[-1], BaseException) else None
        inner = inner or getattr(seen, "reason", None)
        if not isinstance(inner, BaseException):
            return " ".join(str(seen).split()).rstrip(".")[:_TOLD]
        seen = inner
