"""C and C++ with CMake, and whatever a Makefile builds."""

import os
import re
from pathlib import Path

from gare.config.ecosystems.found import Ecosystem, Words, first, read


def cmake(folder: Path) -> Ecosystem | None:
    """Find a CMake project."""
    text = re.sub(r"#.*", "", read(folder / "CMakeLists.txt"))
    if not text:
        return None
    configure = ("cmake", "-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE=Release")
    make = ("cmake", "--build", "build", "--config", "Release", "--parallel")
    below = text + "".join(read(file) for file in sorted(folder.glob("*/CMakeLists.txt"))[:50])
    packing, artifacts = _cmake_artifacts(below)
    has_tests = bool(re.search(r"(?i)\b(enable_testing\s*\(|include\s*\(\s*CTest\s*\))", below))
    test = (
        "ctest",
        "--test-dir",
        "build",
        "-C",
        "Release",
        "--output-on-failure",
        "--output-junit",
        "junit.xml",
    )
    return Ecosystem(
        "C or C++ (CMake)",
        "CMakeLists.txt",
        name=first(r"(?i)\bproject\s*\(\s*([A-Za-z0-9_.-]+)", text),
        build=(configure, make, *packing),
        artifacts=artifacts,
        test=(configure, make, test) if has_tests else (),
        # ctest takes the path from the build folder, not from where it is started.
        junit=("build/junit.xml",) if has_tests else (),
        notes=()
        if artifacts
        else ("No install rule, package or executable found in CMakeLists.txt.",),
    )


def _cmake_artifacts(text: str) -> tuple[tuple[Words, ...], tuple[str, ...]]:
    if re.search(r"(?i)\binclude\s*\(\s*CPack\s*\)", text):
        return (("cpack", "--config", "build/CPackConfig.cmake", "-G", "TGZ", "-B", "dist"),), (
            "dist/*.tar.gz",
        )
    if re.search(r"(?i)\binstall\s*\(\s*(TARGETS|FILES|PROGRAMS|DIRECTORY)", text):
        return (("cmake", "--install", "build", "--config", "Release", "--prefix", "dist"),), (
            "dist/**/*",
        )
    programs = re.findall(r"(?i)\badd_executable\s*\(\s*([A-Za-z0-9_.+-]+)", text)
    own = [name for name in programs if "test" not in name.lower()]
    end = ".exe" if os.name == "nt" else ""
    return (), tuple(f"build/**/{name}{end}" for name in dict.fromkeys(own))


def make(folder: Path) -> Ecosystem | None:
    """Find a Makefile with targets that say what they do."""
    file = next(
        (name for name in ("GNUmakefile", "makefile", "Makefile") if (folder / name).is_file()), ""
    )
    if not file:
        return None
    targets = set(re.findall(r"(?m)^([A-Za-z0-9_.-]+)\s*:(?!=)", read(folder / file)))
    build = next((name for name in ("dist", "package", "build", "all") if name in targets), "")
    test = next((name for name in ("test", "tests", "check") if name in targets), "")
    return Ecosystem(
        "Makefile",
        file,
        build=(("make", build),) if build else (),
        artifacts=("dist/*",) if build == "dist" else (),
        test=(("make", test),) if test else (),
        notes=(f"`make {test}` must write JUnit XML: the test step counts executed tests.",)
        if test
        else (),
    )
