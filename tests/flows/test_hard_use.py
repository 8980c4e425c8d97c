"""Hard use of a real station: commands that fail, hang, flood or lie, votes that do not count, people who leave, come
back, press everything twice; and names that try to become commands.
"""

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr

import httpx
import psutil
import pytest
from waiting import wait_until

from gare.cli import app
from gare.domain.releases import ReleaseState

pytestmark = pytest.mark.engine

PY = "python3, -c"
REPORT = "open('report.xml', 'w').write"
NO_ARTIFACT = "artifacts: [], sbom: none"
BAD_COMMANDS = {
    "fails": (
        {"build": f"{{commands: [[{PY}, 'print(42); raise SystemExit(3)']], {NO_ARTIFACT}}}"},
        "step build failed: `build: python3` failed with exit code 3. It ended with:\n  | 42\n",
    ),
    "hangs": (
        {"build": f"{{commands: [[sh, -c, 'sleep 9876 & sleep 9876']], {NO_ARTIFACT}}}",
         "steps": "[{id: build, type: build, timeout: 1s}]"},
        "step build failed: `build: sh` did not end within 1s and was stopped.",
    ),
    "floods": (
        {"build": f"{{commands: [[{PY}, 'while True: print(9 * 65536 * str(1), end=str())']], {NO_ARTIFACT}}}"},
        "step build failed: `build: python3` wrote more than 64 MiB and was stopped.",
    ),
    "is-missing": (
        {"build": f"{{commands: [no-such-program], {NO_ARTIFACT}}}"},
        "step build failed: The program `no-such-program` is not installed here.",
    ),
    "no-xml": (
        {"test": f'{{commands: [[{PY}, "{REPORT}(\'passed!\')"]], junit: [report.xml]}}'},
        "step test failed: The JUnit report `report.xml` is no XML at line 1, column 7: not well-formed",
    ),
    "no-test": (
        {"test": f'{{commands: [[{PY}, "{REPORT}(\'<testsuite/>\')"]], junit: [report.xml]}}'},
        "step test failed: No test was executed. The reports tell of 0 tests, 0 skipped.",
    ),
    "old-report": (
        {"test": '{commands: [["true"]], junit: ["old.xml"]}'},
        "step test failed: The test made nothing that matches `old.xml`. (test: junit; in the checkout ",
    ),
}  # fmt: skip


def test_a_command_that_fails_hangs_floods_or_lies_stops_its_release_and_no_other(new_shop):
    shops = {}
    for kind, (keys, _) in BAD_COMMANDS.items():
        shops[kind] = shop = new_shop(f"bad-{kind}")
        shop.commit(
            "test: a report of long ago", "old.xml", "<testsuite><testcase name='a'/></testsuite>"
        )
        steps = keys.pop("steps", "")
        shop.configure(f"\nsteps: {steps}\n" if steps else "", **keys)
    started = [start(shop, "release", shop.name, "--no-follow") for shop in shops.values()]
    for process in started:
        assert process.wait(timeout=90) == 0, process.communicate()
    ended = {kind: shop.wait_for(ReleaseState.FAILED) for kind, shop in shops.items()}
    assert not [end for kind, (_, end) in BAD_COMMANDS.items() if not ended[kind].end.startswith(end)], (
        [release.end for release in ended.values()]
    )  # fmt: skip
    for kind, shop in shops.items():
        assert not (shop.production / "current").exists()
        assert "v1.1.0" not in shop.git("ls-remote", "--tags", "origin")
        said = shop.run("watch", ended[kind].id, code=1)
        assert "Traceback" not in said
    assert not [p for p in psutil.process_iter(["cmdline"]) if "9876" in (p.info["cmdline"] or [])]


def test_votes_that_do_not_count_say_why_and_change_nothing(shop):
    shop.configure_approval("{groups: {qa: 1, operations: 1}, author_may_vote: true}")
    shop.release()
    release = shop.wait_for(ReleaseState.WAITING)
    shop.tokens |= {"nobody": shop.token("mallory"), "wrong": "gare_not-a-token"}
    refused(
        shop,
        "mallory",
        4,
        "mallory is not among the people of this station.",
        "approve",
        release.id,
    )
    refused(shop, "wrong", 4, "The personal token is not valid.", "approve", release.id)
    refused(
        shop, "alice", 3, "alice is in none of the groups that decide here", "approve", release.id
    )
    refused(
        shop,
        "bob",
        3,
        "asks for no approval of 'staging'",
        "approve",
        release.id,
        "--env",
        "staging",
    )
    refused(shop, "bob", 3, "The vote names manifest sha256:000000000000…, but ", "approve", release.id,
            "--manifest", f"sha256:{64 * '0'}")  # fmt: skip
    shop.run("approve", release.id, person="bob")
    refused(shop, "bob", 3, "bob", "approve", release.id)
    shop.run("approve", release.id, person="carol")
    shop.wait_for(ReleaseState.RELEASED)
    refused(shop, "erin", 3, f"{release.id} has ended: released.", "reject", release.id)
    refused(shop, "", 3, f"{release.id} has ended already: released.", "cancel", release.id)
    refused(shop, "", 3, f"{release.id} has ended: released.", "resume", release.id)


def refused(shop, person, code, message, *words):
    """Run a command in this process, which is quicker; it must say `message` and change nothing."""
    before = shop.gare().ledger.database.head(shop.last().id), production(shop)
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(io.StringIO()) as error:
        patch.setenv("GARE_STATION", str(shop.root))
        patch.setenv("GARE_TOKEN", shop.token(person) if person else "")
        assert app.run(list(words)) == code
    assert message in (said := error.getvalue())
    assert said.count("gare: error: ") == 1
    assert "Traceback" not in said
    assert (shop.gare().ledger.database.head(shop.last().id), production(shop)) == before


def production(shop):
    return sorted(str(path) for path in shop.production.rglob("*"))


def test_a_waiting_release_is_not_moved_by_whatever_is_pressed_twice(shop):
    shop.configure_approval()
    shop.release()
    release = shop.wait_for(ReleaseState.WAITING)
    engine = shop.gare().engine
    wait_until(lambda: engine.run(release.flow_run_id).is_suspended)
    first, second = engine.resume(release.flow_run_id), engine.resume(release.flow_run_id)
    assert (first, second) == (True, False)
    wait_until(lambda: engine.run(release.flow_run_id).is_suspended)
    assert shop.events().count("approval asked") == 1
    shop.run("cancel", release.id, "--reason", "wrong day")
    assert shop.last().state is ReleaseState.CANCELLED
    head = shop.gare().ledger.database.head(release.id)
    engine.retry(release.flow_run_id)
    wait_until(lambda: engine.run(release.flow_run_id).state_name == "Cancelled")
    assert shop.gare().ledger.database.head(release.id) == head
    wait_until(lambda: not (shop.gare().work_folder / release.id).exists())


def test_a_run_that_was_deleted_in_the_engine_does_not_block_its_project(shop):
    shop.configure_approval()
    shop.release()
    release = shop.wait_for(ReleaseState.WAITING)
    engine = shop.gare().engine
    wait_until(lambda: engine.run(release.flow_run_id).is_suspended)
    httpx.delete(f"{engine.url}/flow_runs/{release.flow_run_id}").raise_for_status()
    lost = shop.wait_for(ReleaseState.ATTENTION)
    assert lost.end.startswith("the engine has no run of it any more")
    shop.run("cancel", release.id)
    assert shop.last().state is ReleaseState.CANCELLED


def test_who_leaves_with_ctrl_c_leaves_the_release_running_and_joins_again(shop):
    nap = f"[{PY}, 'import time; time.sleep(8)']"
    shop.configure(f"\nsteps:\n  - {{id: nap, type: run, command: {nap}}}\n")
    process = start(shop, "release", shop.name)
    wait_until(lambda: shop.gare().ledger.releases.find(project=shop.name))
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "Left;" in said
    assert "Traceback" not in said
    shop.run("watch", shop.last().id)
    assert shop.last().state is ReleaseState.RELEASED


@pytest.mark.parametrize(
    "request_",
    [
        {"ref": "--upload-pack=touch pwned"},
        {"ref": {"__prefect_kind": "jinja", "template": "--upload-pack={{ 7 * 7 }}"}},
        {"ref": "$(touch pwned)"},
        {"version": "-1.2.3"},
        {"prerelease": "rc;x"},
        {"project": "--help"},
        {"project": {"__prefect_kind": "jinja", "template": "{{ 7 * 7 }};"}},
        {"plan": "../../x"},
        {"allow_dirty": "maybe"},
        {"reason": "x" * 501},
    ],
)
def test_a_request_that_could_do_harm_is_refused_by_the_server(shop, request_):
    reply = post(shop, {"project": shop.name, **request_})
    assert reply.status_code == 409, reply.text
    assert not shop.gare().ledger.releases.find(project=shop.name)


MAKE_HARM = """
import os, pathlib, sys
folder = pathlib.Path("dist")
folder.mkdir()
for name in ("-x.txt", "--help", "a b.txt", "new\\nline", "$(touch pwned);|&", "<b>{{ 7*7 }}", "\\x1b[31mred"):
    (folder / name).write_text(name)
pathlib.Path("a b.xml").write_text('<testsuite name="&lt;b&gt;"><testcase name="{{ 7*7 }} |`"/></testsuite>')
pathlib.Path("version.txt").write_text(os.environ["GARE_VERSION"])
print(sys.argv[1:], "\\x1b]0;title\\x07 <script>{{ 7*7 }}")
"""


def test_harmful_names_go_the_whole_way_as_names(shop):
    branch = "rel;$(touch${IFS}pwned)`x`|<b>é"
    shop.git("checkout", "-q", "-b", branch)
    (shop.work / "harm.py").write_text(MAKE_HARM)
    shop.git("add", "-A")
    shop.git("commit", "-qm", "--upload-pack=touch pwned\n\n$(touch pwned) \x1b[31m {{ 7*7 }}")
    shop.git("push", "-q", "origin", "HEAD")
    shop.configure(
        "\ntitle: '$(touch pwned) <b>{{ 7*7 }} | `x`'\n"
        f"announce: [{{type: file, path: '../{shop.name} $(x) {{version}}.md'}}]\n"
        "publish: {notes_file: '../" + shop.name + " é; {version}.md'}\n"
        "steps: [{id: odd, type: run, command: [python3, -c, 'import sys; print(sys.argv)', "
        '"$(touch pwned)", "; touch pwned", "{{ 7*7 }}", "--upload-pack=x", "a\\nb"]}]\n',
        source=f"{{type: git, path: '../{shop.name}', branch: '{branch}'}}",
        build="{commands: [[python3, harm.py, $(touch pwned)]], artifacts: ['dist/*', 'version.txt'], sbom: none}",
        test='{commands: [], junit: ["a b.xml"]}',
    )
    reason = "{{ 7 * 7 }} <b>\x1b[31m"
    run = ask_for_a_release(shop, {"project": shop.name, "reason": reason})
    wait_until(lambda: shop.gare().ledger.releases.of_run(run))
    release = shop.last()
    said = shop.run("watch", release.id)
    assert release.reason == reason
    assert {path.name for path in (shop.production / "current").iterdir()} >= {
        "-x.txt", "--help", "a b.txt", "new\nline", "$(touch pwned);|&", "<b>{{ 7*7 }}", "\x1b[31mred",
    }  # fmt: skip
    assert len(list(shop.root.glob(f"{shop.name} *.md"))) == 2
    said += (
        shop.run("log", release.id)
        + shop.run("status", release.id)
        + shop.run("plan", shop.name, code=3)
    )
    assert "\x1b" not in said
    assert "\x07" not in said
    body = {"artifacts": {"flow_run_id": {"any_": [release.flow_run_id]}}}
    pages = httpx.post(f"{shop.gare().engine.url}/artifacts/filter", json=body).json()
    assert not [page["key"] for page in pages if "<b>" in str(page["data"]).replace("\\<b\\>", "")]
    assert not list(shop.root.rglob("pwned*"))
    bundle = shop.root / f"{shop.name}.zip"
    shop.run("evidence", release.id, "-o", str(bundle))
    assert "sound" in shop.run("evidence", "verify", str(bundle))


def start(shop, *words):
    env = {**os.environ, "GARE_STATION": str(shop.root)}
    env.pop("GARE_TOKEN", None)
    return subprocess.Popen(
        [sys.executable, "-m", "gare", *words],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def post(shop, request):
    """Ask for a release as anybody can; a busy server is asked again."""
    url = shop.gare().engine.url
    deployment = httpx.get(f"{url}/deployments/name/release/gare").json()["id"]
    for _ in range(5):
        reply = httpx.post(
            f"{url}/deployments/{deployment}/create_flow_run",
            json={"parameters": {"request": request}},
        )
        if reply.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
    return reply


def ask_for_a_release(shop, request):
    return post(shop, request).json()["id"]
