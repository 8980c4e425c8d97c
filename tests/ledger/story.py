"""A release as the steps of `tasks` write it into a ledger: shared by the tests that read records.

Loaded by path (tests have no packages), see `conftest.py`.
"""

import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from weakref import WeakKeyDictionary

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gare.connectors.artifacts import keep
from gare.domain.approvals import Answer, Decision, Voter
from gare.domain.manifest import manifest
from gare.domain.plan import Plan, PlannedApproval, PlannedCommit, PlannedStep
from gare.domain.releases import Release, ReleaseState, StepState
from gare.domain.waits import Cause, Waited
from gare.errors import GareError
from gare.ledger import container
from gare.ledger.chain import Event
from gare.ledger.container import measure
from gare.ledger.dsse import PublicKey, envelope, fingerprint, spell_public
from gare.ledger.effects import Absent, Effect
from gare.ledger.evidence import UNLISTED, Written, finished, key_rows, ordered_names, pretty
from gare.ledger.evidence import write_bundle as write_signed
from gare.ledger.keys import Keys, Signer
from gare.ledger.ledger import Ledger
from gare.ledger.provenance import provenance_statement, seal_statement, station_name
from gare.ledger.replay import Reader, replay

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RULE = PlannedApproval(
    step="approve-production",
    environment="production",
    groups={"developers": 1, "operations": 1},
    author_may_vote=False,
    requester_may_vote=False,
    expires_after_s=7 * 24 * 3600.0,
)
ALICE = Voter("alice", frozenset({"developers"}), frozenset({"alice@example.org"}))
BOB = Voter("bob", frozenset({"operations"}), frozenset({"bob@example.org"}))
AUTHOR = Voter("ann", frozenset({"developers"}), frozenset({"ann@example.org"}))
REQUESTER = Voter("rita", frozenset({"operations"}), frozenset({"rita@example.org"}))
OUTSIDER = Voter("otto", frozenset({"marketing"}), frozenset({"otto@example.org"}))
RUN = "11111111-2222-3333-4444-555555555555"

_SIGNERS: WeakKeyDictionary[Ledger, Signer] = WeakKeyDictionary()


def private_key(number: int = 1) -> Ed25519PrivateKey:
    """The same key every time."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def signer(ledger: Ledger) -> Signer:
    """The ledger's key, the same one for every ledger."""
    if ledger not in _SIGNERS:
        with TemporaryDirectory() as folder:
            _SIGNERS[ledger] = Keys(ledger.database, Path(folder), private_key).signer()
    return _SIGNERS[ledger]


def write_bundle(
    ledger: Ledger, store: Path, release_id: str, out: Path, *, with_artifacts: bool = False
) -> Written:
    """Write a bundle signed with the ledger's key."""
    return write_signed(
        ledger, store, release_id, out, signer=signer(ledger), with_artifacts=with_artifacts
    )


class Clock:
    """A clock that moves by a second whenever it is read, and further when told."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def pass_by(self, time: timedelta) -> None:
        self.now += time


def make_plan(**changes: object) -> Plan:
    """A plan of every kind of step that matters here."""
    plan = Plan(
        project="shop",
        title="Shop",
        version="1.4.0",
        previous_version="1.3.0",
        previous_tag="v1.3.0",
        previous_commit="b" * 40,
        tag="v1.4.0",
        branch="main",
        commit="a" * 40,
        bump="minor",
        source={"type": "git", "path": "."},
        commits=(
            PlannedCommit(
                "a" * 40, "feat: pay by card", "feat", "", False, ("SHOP-1",), "Ann", "ann@example.org",
                "2026-03-01T12:00:00+00:00",
            ),
        ),
        tickets=(),
        notes="### Features\n- pay by card\n",
        steps=(
            PlannedStep("plan", "plan", "Plan"),
            PlannedStep("build", "build", "Build", ("plan",)),
            PlannedStep("test", "test", "Test", ("build",)),
            PlannedStep("validate", "validate", "Validate", ("test",)),
            PlannedStep("backup", "manual", "Back up", ("build",), settings={"instructions": "Back the database up."}),
            PlannedStep("approve-production", "approve", "Approve", ("validate",), "production"),
            PlannedStep("deploy-production", "deploy", "Deploy", ("approve-production", "backup"), "production"),
            PlannedStep("publish", "publish", "Publish", ("deploy-production",)),
            PlannedStep("close", "close", "Close", ("publish",)),
        ),
        approvals=(RULE,),
        environments=("production",),
        authors=("ann@example.org",),
    )  # fmt: skip
    return replace(plan, **changes)


def open_release(ledger: Ledger, plan: Plan | None = None, run: str = RUN) -> tuple[Release, Plan]:
    plan = plan or make_plan()
    return ledger.releases.open(ledger.plans.store(plan), plan, run, "rita", "card payments"), plan


def do_step(
    ledger: Ledger, release: Release, step: str, value: object = None, actor: str = "gare[1]"
) -> None:
    ledger.releases.begin_step(release.id, step, actor=actor)
    value = {"summary": f"{step} went well"} if value is None else value
    ledger.releases.end_step(release.id, step, StepState.DONE, value=value, actor=actor)


def build_and_validate(ledger: Ledger, release: Release, store: Path, tmp: Path) -> None:
    """Everything before the approval, with real files in the store."""
    do_step(ledger, release, "plan", {"plan": release.plan, "summary": "1 commits, minor"})
    files = {
        "shop-1.4.0.tar.gz": "the package",
        "shop.cdx.json": '{"bomFormat": "CycloneDX"}',
        "changes.html": "<h1>changes</h1>",
    }
    for name, text in files.items():
        (tmp / name).write_text(text)
    artifacts = [
        asdict(keep(tmp / name, name, store)) for name in ("shop-1.4.0.tar.gz", "shop.cdx.json")
    ]
    ledger.releases.begin_step(release.id, "build", actor="gare[1]")
    ledger.note(
        release.id,
        "command done",
        "gare",
        {
            "step": "build",
            "command": ["make"],
            "seconds": 1.5,
            "log": "build-1-1.log",
            "log_sha256": "c" * 64,
        },
    )
    value = {
        "artifacts": artifacts,
        "sbom": "",
        "seconds": 1.5,
        "summary": "2 artifact(s) in 1.5 s",
    }
    ledger.releases.end_step(release.id, "build", StepState.DONE, value=value, actor="gare[1]")
    do_step(
        ledger, release, "test", {"evidence": {"passed": 12, "failed": 0}, "summary": "12 passed"}
    )
    verdict = {
        "gate": "changes",
        "facts": "changes",
        "result": "passed",
        "checks": [],
        "reason": "",
    }
    page = asdict(keep(tmp / "changes.html", "gates/changes.html", store))
    do_step(
        ledger, release, "validate",
        {"verdicts": [verdict], "evidence": [verdict], "files": [page], "summary": "changes passed"},
    )  # fmt: skip


def ask(ledger: Ledger, release: Release, plan: Plan) -> str:
    """Ask for the approval as the flow does; return the manifest's digest."""
    values = {
        r.step: r.value
        for r in ledger.releases.steps(release.id).values()
        if r.state is StepState.DONE
    }
    request = ledger.approvals.ask(
        release.id, RULE, manifest(plan, release.plan, RULE.step, values)
    )
    ledger.releases.mark(
        release.id, ReleaseState.WAITING, actor="gare",
        waiting=[Waited("approve-production: votes missing", Cause.OTHER)], wake_at=request.expires_at,
    )  # fmt: skip
    return request.manifest


def vote(
    ledger: Ledger,
    release: Release,
    voter: Voter,
    answer: Answer = Answer.APPROVE,
    **changes: object,
):
    request = ledger.approvals.get(release.id, RULE.step)
    given = {
        "manifest": request.manifest if request else "",
        "comment": "",
        "authors": ("ann@example.org",),
        **changes,
    }
    return ledger.approvals.vote(release.id, RULE, voter, answer, **given)


def decide(ledger: Ledger, release: Release) -> Decision:
    """What the approve step does once people have decided."""
    ledger.releases.begin_step(release.id, RULE.step, actor="gare[1]")
    standing = ledger.approvals.standing(release.id, RULE)
    ledger.approvals.close(release.id, RULE.step, standing.decision)
    value = {
        "decision": standing.decision.value,
        "approvers": list(standing.approvers),
        "summary": str(standing),
    }
    ledger.releases.end_step(release.id, RULE.step, StepState.DONE, value=value, actor="gare[1]")
    return standing.decision


def tell(ledger: Ledger, store: Path, tmp: Path) -> Release:
    """A whole release, from opened to released."""
    release, plan = open_release(ledger)
    build_and_validate(ledger, release, store, tmp)
    ask(ledger, release, plan)
    vote(ledger, release, ALICE, comment="looks good")
    vote(ledger, release, BOB)
    do_step(
        ledger,
        release,
        "backup",
        {"by": "bob", "comment": "", "summary": "done by bob"},
        actor="bob",
    )
    decide(ledger, release)
    ledger.releases.mark(release.id, ReleaseState.RUNNING, actor="gare")
    do_step(ledger, release, "deploy-production")
    ledger.releases.begin_step(release.id, "publish", actor="gare[1]")
    head = ledger.database.head(release.id)
    effect = Effect(
        "tag v1.4.0", {"commit": plan.commit}, Absent, lambda: {"tag": "v1.4.0", "head": head}
    )
    ledger.effects.perform(release.id, "publish", effect)
    ledger.releases.end_step(
        release.id, "publish", StepState.DONE, value={"summary": "tag"}, actor="gare[1]"
    )
    do_step(ledger, release, "close")
    return ledger.releases.mark(
        release.id, ReleaseState.RELEASED, actor="gare", end="1.4.0 is released"
    )


FORGER = Ed25519PrivateKey.from_private_bytes(b"f" * 32)


def repacked(
    path: Path,
    change: Callable[[dict[str, bytes]], None],
    private: Ed25519PrivateKey | None = FORGER,
) -> Path:
    """Forge a bundle: change members and make index and sums fit, as somebody would who knows the format.

    Signed anew with the forger's own key; with None the old signatures stay.
    """
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    if private is not None:
        raw = private.public_key().public_bytes_raw()
        key = PublicKey(
            fingerprint(raw), spell_public(raw), "2026-03-02T10:00:00+00:00", None, None
        )
        members["keys.json"] = pretty(key_rows([key]))
        members |= forged_provenance(members, key, private)
    index = json.loads(members["index.json"])
    index["members"] = [
        {"name": name, "size_bytes": len(members[name]), "sha256": measure(members[name])[2]}
        for name in sorted(members)
        if name not in UNLISTED
    ]
    events = [Event(**json.loads(line)) for line in members["events.jsonl"].decode().splitlines()]
    index |= {"events": len(events), "head": events[-1].hash} if events else {}
    if private is not None:
        digest = measure(pretty(index))[2]
        seal = seal_statement(index, digest, station_name(key.id))
        members["seal.intoto.jsonl"] = envelope(seal, key.id, private.sign)
    made = finished(index, {name: measure(data) for name, data in members.items()})
    members |= {name: bytes(data) for name, data in made.items()}
    with path.open("wb") as file:
        container.write(file, [(name, members[name]) for name in ordered_names(members)])
    return path


def forged_provenance(
    members: dict[str, bytes], key: PublicKey, private: Ed25519PrivateKey
) -> dict[str, bytes]:
    """What the events and the plan make of the artifacts, under another key; nothing when they make no sense."""
    try:
        events = [
            Event(**json.loads(line)) for line in members["events.jsonl"].decode().split("\n")[:-1]
        ]
        record, plan = replay(events)[0], Reader(json.loads(members["plan.json"]), "plan.json")
        made = provenance_statement(record, plan, station_name(key.id))
    except (ValueError, KeyError, TypeError, GareError):
        return {}
    return {"provenance.intoto.jsonl": envelope(made, key.id, private.sign)} if made else {}
