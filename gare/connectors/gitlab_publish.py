"""GitLab's page of a release, with notes and links, and its package registry. Part of gare.connectors.gitlab."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gare.connectors.gitlab_site import WRITE, GitLabSite
from gare.connectors.vendor_errors import understood
from gare.errors import Conflict
from gare.ports.packages import PackageFile
from gare.ports.release_page import Link, ReleaseEntry


@understood("GitLab")
class GitLabReleases:
    """The releases of a project. Implements `ReleasePage` (REST v4: releases, release links)."""

    def __init__(self, site: GitLabSite) -> None:
        self._site = site

    def look(self, tag: str) -> ReleaseEntry | None:
        """Return what stands there for a tag."""
        from gitlab import GitlabGetError

        with self._site.asking(f"read the release of {tag}"):
            try:
                return self._entry(self._site.project.releases.get(tag).attributes)
            except GitlabGetError as error:
                if error.response_code != 404:
                    raise
                # No release looks like no rights: the list tells them apart.
                self._site.project.releases.list(per_page=1, get_all=False)
        return None

    def write(self, entry: ReleaseEntry) -> ReleaseEntry:
        """Make the release of a tag that exists."""
        fields = {
            "tag_name": entry.tag,
            "name": entry.title,
            "description": entry.notes,
            "assets": {"links": [_link_fields(link) for link in entry.links]},
        }
        with self._site.asking(f"make the release of {entry.tag}", WRITE):
            return self._entry(self._site.project.releases.create(fields).attributes)

    def rewrite(self, tag: str, notes: str) -> None:
        """Change the notes of the release of a tag."""
        with self._site.asking(f"change the release of {tag}", WRITE):
            self._site.project.releases.update(tag, {"description": notes})

    def add_links(self, tag: str, links: Sequence[Link]) -> None:
        """Add the links that the release lacks."""
        with self._site.asking(f"add links to the release of {tag}", WRITE):
            release = self._site.project.releases.get(tag)
            known = {link["name"] for link in release.assets.get("links") or ()}
            for link in links:
                if link.name not in known:
                    release.links.create(_link_fields(link))

    def collect_evidence(self, tag: str) -> None:
        """Let GitLab collect evidence of the release."""
        address = (
            f"/projects/{self._site.project.encoded_id}/releases/{quote(tag, safe='')}/evidence"
        )
        with self._site.asking(f"collect evidence of {tag}", WRITE):
            self._site.client.http_post(address)

    def _entry(self, said: Mapping[str, Any]) -> ReleaseEntry:
        links = (said.get("assets") or {}).get("links") or ()
        return ReleaseEntry(
            said["tag_name"],
            said.get("name") or "",
            said.get("description") or "",
            tuple(Link(one["name"], one["url"], one.get("link_type") or "other") for one in links),
            (said.get("_links") or {}).get("self")
            or f"{self._site.url}/-/releases/{said['tag_name']}",
            bool(said.get("evidences")),
        )


@understood("GitLab")
class GitLabPackages:
    """The generic package registry of a project. Implements `Packages` (REST v4: packages, generic packages)."""

    def __init__(self, site: GitLabSite) -> None:
        self._site = site

    def look(self, package: str, version: str, file: str) -> PackageFile | None:
        """Return the newest file of that name."""
        with self._site.asking(f"look for {package} {version}"):
            # The newest first: of many versions, that which is being released is on the first page.
            found = self._site.project.packages.list(
                package_name=package,
                package_type="generic",
                order_by="created_at",
                sort="desc",
                iterator=True,
            )
            for one in found:
                if (one.name, one.version) == (package, version):
                    files = one.package_files.list(get_all=True)
                    shas = [known.file_sha256 for known in files if known.file_name == file]
                    url = self._address(package, version, file)
                    return PackageFile(shas[-1], url) if shas else None
        return None

    def upload(self, package: str, version: str, file: str, path: Path, sha256: str) -> str:
        """Upload a file, and look that the same bytes arrived."""
        with (
            self._site.asking(f"upload {file} to {package} {version}", WRITE),
            path.open("rb") as data,
        ):
            made = self._site.project.generic_packages.upload(
                package_name=package,
                package_version=version,
                file_name=file,
                data=data,
                select="package_file",
            )
        arrived = made.attributes.get("file_sha256") or ""
        if arrived != sha256:
            raise Conflict(
                f"{file} arrived as sha256:{arrived[:12]}…, and not as sha256:{sha256[:12]}….",
                where=self._site.where,
                hint="Delete the file from the package registry and try again.",
            )
        return self._address(package, version, file)

    def _address(self, package: str, version: str, file: str) -> str:
        project = f"{self._site.client.api_url}/projects/{self._site.project.encoded_id}"
        return f"{project}/packages/generic/{package}/{version}/{file}"


def _link_fields(link: Link) -> dict[str, str]:
    return {"name": link.name, "url": link.url, "link_type": link.kind}
