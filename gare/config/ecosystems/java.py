"""Java: Maven and Gradle, through the project's own wrapper where it has one."""

import os
import re
from pathlib import Path

from gare.config.ecosystems.found import Ecosystem, first, read


def maven(folder: Path) -> Ecosystem | None:
    """Find a Maven project."""
    pom = read(folder / "pom.xml")
    if not pom:
        return None
    wrapper = "mvnw.cmd" if os.name == "nt" else "mvnw"
    tool = f"./{wrapper}" if (folder / wrapper).is_file() else "mvn"
    own = re.sub(
        r"(?s)<(parent|dependencies|build|profiles|dependencyManagement)>.*?</\1>|<!--.*?-->",
        "",
        pom,
    )
    packaging = first(r"<packaging>\s*(war|ear|jar)\s*</packaging>", own) or "jar"
    deep = "**/" if "<modules>" in pom else ""
    note = (
        ("JaCoCo's report is no Cobertura XML: convert it to have the coverage gate read it.",)
        if "jacoco" in pom
        else ()
    )
    return Ecosystem(
        "Java (Maven)",
        "pom.xml",
        name=first(r"<artifactId>\s*([^<\s]+)\s*</artifactId>", own),
        build=((tool, "-B", "-ntp", "-DskipTests", "package"),),
        artifacts=(f"{deep}target/*.{packaging}",),
        test=((tool, "-B", "-ntp", "test"),),
        junit=(f"{deep}target/surefire-reports/TEST-*.xml",),
        notes=note,
    )


def gradle(folder: Path) -> Ecosystem | None:
    """Find a Gradle project."""
    builds = [name for name in ("build.gradle", "build.gradle.kts") if (folder / name).is_file()]
    settings = read(folder / "settings.gradle") + read(folder / "settings.gradle.kts")
    if not builds and not settings:
        return None
    wrapper = "gradlew.bat" if os.name == "nt" else "gradlew"
    tool = f"./{wrapper}" if (folder / wrapper).is_file() else "gradle"
    deep = "**/" if "include" in settings else ""
    return Ecosystem(
        "Java (Gradle)",
        builds[0] if builds else "settings.gradle",
        name=first(r"rootProject\.name\s*=\s*[\"']([^\"']+)", settings),
        build=((tool, "--no-daemon", "--console=plain", "assemble"),),
        artifacts=(f"{deep}build/libs/*.jar",),
        test=((tool, "--no-daemon", "--console=plain", "test"),),
        junit=(f"{deep}build/test-results/test/*.xml",),
    )
