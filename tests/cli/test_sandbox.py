"""`gare sandbox up` as a user starts it."""

import os
import signal
import subprocess
import sys

import httpx

UP = [sys.executable, "-m", "gare", "sandbox", "up"]


def test_it_says_where_the_vendors_are_and_ends_with_ctrl_c():
    environment = {key: value for key, value in os.environ.items() if key != "GARE_CONTRACTS"}
    process = subprocess.Popen(
        [*UP, "--port", "0"], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        told = list(iter(process.stdout.readline, "Requests are not checked. Ctrl-C ends it.\n"))
        name, address = told[0].split(": ")
        assert name == "gitlab"
        reply = httpx.get(
            f"{address.strip()}/api/v4/projects/shop%2Fweb%2Fteashop",
            headers={"Authorization": "Bearer sandbox-gitlab-token"},
        )
        assert reply.json()["path_with_namespace"] == "shop/web/teashop"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        process.stdout.close()
    assert process.returncode in (0, 130)


def test_a_port_that_is_none_is_a_mistake_of_usage():
    done = subprocess.run([*UP, "--port", "99999"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "99999 is not in the range 0<=x<=65535" in done.stderr


def test_a_seed_that_cannot_be_used_is_told(tmp_path):
    seed = tmp_path / "seed.yaml"
    for text, told in (
        ("vendors: [", "The sandbox's seed cannot be read"),
        ("gitlab: {}", "The sandbox's seed names no vendors."),
        ("vendors: {x: {type: svn}}", "The sandbox has no vendor of type 'svn'."),
        ("vendors: {jira: {projekts: {}}}", "`projekts` is not known (did you mean `projects`?)"),
    ):
        seed.write_text(text)
        done = subprocess.run(
            [*UP, "--port", "0", "--seed", str(seed)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 2
        assert told in done.stderr
        assert "Traceback" not in done.stderr
