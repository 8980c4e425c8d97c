"""What a bundle states under the station's signature: how the artifacts came about, and that the bundle is whole.

in-toto Statement v1 (github.com/in-toto/attestation, spec/v1/statement.md), SLSA provenance v1 (slsa.dev/spec/v1.0/
provenance). Pure, standard library only: who verifies a bundle computes the same statements from its events.
"""

import re
from collections.abc import Iterator
from typing import Any

from gare.errors import UnexpectedReply
from gare.ledger.replay import Json, Reader, Record, in_order

STATEMENT = "https://in-toto.io/Statement/v1"
SLSA = "https://slsa.dev/provenance/v1"
SEAL = "urn:gare:evidence:v1"
BUILD = "urn:gare:release:v1"
SEALED = ("release", "project", "version", "state", "plan", "head", "events")
"""What the seal says of its index."""

_SCP = re.compile(r"(?:([^/@:]+)@)?([^/:]+):(?!//)(.+)")


def station_name(first_key: str) -> str:
    """Name a station for good: by the first key it had, whatever key it has now."""
    return f"urn:gare:station:{first_key}"


def seal_statement(index: Json, index_sha256: str, station: str) -> Json:
    """State that a bundle's index, and with it every member it lists, is what the station wrote."""
    return {
        "_type": STATEMENT,
        "subject": [{"name": "index.json", "digest": {"sha256": index_sha256}}],
        "predicateType": SEAL,
        "predicate": {**{key: index[key] for key in SEALED}, "station": station},
    }


def provenance_statement(record: Record, plan: Reader, station: str) -> Json | None:
    """State from what, by whom and when the artifacts were made; None while there are none."""
    made = list(_artifacts(record, plan))
    subject = [_resource(item) for item in made if item.get("kind") != "sbom"]
    if not subject:
        return None
    release = record.release
    request = {key: release[key] for key in ("project", "version", "requested_by", "reason")}
    metadata = {
        "invocationId": f"{release['id']}/{release['run']}",
        "startedOn": _instant(release["opened_at"]),
    }
    if release["closed_at"]:
        metadata["finishedOn"] = _instant(release["closed_at"])
    return {
        "_type": STATEMENT,
        "subject": subject,
        "predicateType": SLSA,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD,
                "externalParameters": {"request": request, "plan": release["plan"]},
                "internalParameters": {},
                "resolvedDependencies": [_source(plan)],
            },
            "runDetails": {
                "builder": {"id": station},
                "metadata": metadata,
                "byproducts": [_resource(item) for item in made if item.get("kind") == "sbom"],
            },
        },
    }


def _artifacts(record: Record, plan: Reader) -> Iterator[Json]:
    """Yield what the steps that are done have made, in the order of the plan; not what another release has built."""
    steps = plan.objects("steps")
    elsewhere = {
        step.text("id") for step in steps if "artifacts_of" in step.object("settings").value
    }
    for row in in_order(record.steps, [step.text("id") for step in steps]):
        is_made = row["state"] == "done" and row["step"] not in elsewhere
        value = row["value"] if is_made else None
        items = value.get("artifacts") if isinstance(value, dict) else None
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and _are_texts(item.get("name"), item.get("sha256")):
                yield item


def _resource(item: Json) -> Json:
    return {"name": item["name"], "digest": {"sha256": item["sha256"]}}


def _source(plan: Reader) -> Json:
    """Describe the commit that was released."""
    source, commit = plan.object("source"), plan.text("commit")
    settings: Json = source.value
    kind, url = str(settings.get("type", "git")), settings.get("url") or ""
    if not isinstance(url, str):
        raise UnexpectedReply("`url` is not a text.", where=source.place)
    if not url:
        url = f"file:{settings.get('path') or '.'}"  # a repository beside the station; no address is known
    elif "://" not in url and (scp := _SCP.fullmatch(url)):
        user, host, path = scp.groups()
        url = f"ssh://{user + '@' if user else ''}{host}/{path.lstrip('/')}"
    digest = "gitCommit" if kind == "git" else f"{kind}Revision"
    return {"uri": f"{kind}+{url}@{commit}", "digest": {digest: commit}}


def _instant(text: str) -> str:
    """Spell an instant of the ledger as in-toto wants it: RFC 3339 in UTC with a Z."""
    return text.replace("+00:00", "Z")


def _are_texts(*values: Any) -> bool:
    return all(isinstance(value, str) for value in values)
