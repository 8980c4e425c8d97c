"""build: the project's own commands in a clean checkout of the planned commit; artifacts kept by content."""

import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from gare.connectors.artifacts import artifact_path, collect, keep
from gare.connectors.sbom import Sbom, make_sbom
from gare.domain.artifacts import Artifact, other_version
from gare.domain.counts import counted
from tasks.commands import checked_out, run_commands
from tasks.step import Value, Work, step_task


@step_task
def build(work: Work) -> Value:
    """Build the artifacts of the planned commit and keep them with their digests and bill of materials."""
    # A build begins clean, also when an attempt before this one left something behind.
    shutil.rmtree(work.checkout, ignore_errors=True)
    folder = checked_out(work)
    if origin := work.step.settings.get("artifacts_of"):
        return _as_built_by(work, origin, run_commands(work, folder))
    sbom, kept = _bill_of_materials(work, folder)
    seconds = run_commands(work, folder)
    artifacts = [*collect(folder, work.step.settings["artifacts"], work.gare.store), *kept]
    for artifact in artifacts:
        work.say(f"kept {artifact.name}, {artifact.size_bytes} bytes, sha256:{artifact.sha256}")
    strangers = [
        f"{artifact.name} is of version {found}, not {work.plan.version}"
        for artifact in artifacts
        if (found := other_version(artifact.name, work.plan.version))
    ]
    return {
        "artifacts": [asdict(artifact) for artifact in artifacts],
        "sbom": sbom.reason,
        "seconds": round(seconds, 1),
        "summary": "; ".join(
            [f"{counted(len(artifacts), 'artifact')} in {seconds:.1f} s", *strangers]
        ),
    }


def _as_built_by(work: Work, origin: str, seconds: float) -> Value:
    """Return what another release has built of the same commit: a version is not made twice.

    It was built anew all the same, so that tests and the project's own steps find what they need.
    """
    value = work.ledger.releases.steps(origin)["build"].value
    for artifact in value["artifacts"]:
        artifact_path(work.gare.store, artifact["sha256"])
    count = len(value["artifacts"])
    return {
        **value,
        "seconds": round(seconds, 1),
        "summary": f"{counted(count, 'artifact')} of {origin}",
    }


def _bill_of_materials(work: Work, folder: Path) -> tuple[Sbom, list[Artifact]]:
    """Read the bill of materials off the sources, before the build leaves things among them."""
    name = f"{work.plan.project}-{work.plan.version}.cdx.json"
    with tempfile.TemporaryDirectory(prefix="gare-sbom-") as scratch:
        out = Path(scratch) / name
        sbom = make_sbom(
            folder,
            kind=work.step.settings["sbom"],
            project=work.plan.project,
            version=work.plan.version,
            out=out,
            log=work.log_file("sbom"),
            say=work.say,
        )
        return sbom, [keep(out, name, work.gare.store)] if sbom.path else []
