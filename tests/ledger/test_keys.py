"""The station's keys: made once, kept private, following each other so that old signatures stay good."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from gare.errors import ConfigError
from gare.ledger.dsse import check_keys, fingerprint, read_public
from gare.ledger.keys import Keys
from gare.ledger.ledger import Ledger


@pytest.fixture
def keys(ledger, tmp_path) -> Keys:
    return Keys(ledger.database, tmp_path / "state" / "keys")


def station(ledger: Ledger) -> list[str]:
    return [event.kind for event in ledger.database.events("station")]


def test_the_first_is_made_when_it_is_needed_and_only_then(ledger, keys):
    assert keys.all() == []
    first = keys.signer()
    assert (keys.signer().id, keys.current()) == (first.id, first.chain[0])
    [record] = keys.all()
    assert (record.key, record.retired_at) == (first.chain[0], "")
    assert station(ledger) == ["key made"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_the_private_half_is_for_its_owner_alone(keys):
    path = keys.path(keys.signer().id)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_the_fingerprint_is_what_openssl_computes(keys, tmp_path):
    made = keys.signer().chain[0]
    public = serialization.load_pem_public_key(made.public.encode())
    der = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    import hashlib

    assert made.id == "sha256:" + hashlib.sha256(der).hexdigest()
    assert fingerprint(read_public(made.public, "here")[0]) == made.id


MAKE = """
import sys
from pathlib import Path
from gare.ledger.keys import Keys
from gare.ledger.ledger import Ledger
ledger = Ledger(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(Keys(ledger.database, Path(sys.argv[2])).signer().id, flush=True)
"""


def test_several_processes_at_once_make_one_key(url, tmp_path):
    Ledger(url).database.close()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, url, tmp_path / "keys"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    found = {process.communicate()[0].strip() for process in processes}
    assert len(found) == 1
    assert [path.stem for path in (tmp_path / "keys").iterdir()] == [found.pop()[7:]]


def test_each_key_is_endorsed_by_the_one_before(ledger, keys, clock):
    first = keys.signer().chain[0]
    second = keys.rotate(actor="command line")
    clock.pass_by(timedelta(days=1))
    third = keys.rotate(actor="command line")
    assert keys.signer().chain == (first, second, third)
    assert list(check_keys(keys.signer().chain, "keys")) == []
    assert [bool(record.retired_at) for record in keys.all()] == [True, True, False]
    assert station(ledger) == ["key made", *2 * ["key retired", "key made"]]
    forged = second._replace(made_at="2020-01-01T00:00:00.000000+00:00")
    assert [problem.what for problem in check_keys([first, forged], "keys")] == [
        f"its endorsement is not by {first.id}"
    ]
    assert [problem.what for problem in check_keys([first, third], "keys")] == [
        "it is not endorsed by the key before it"
    ]


def test_a_lost_key_is_followed_by_one_that_nobody_endorses(keys):
    first = keys.signer()
    keys.path(first.id).unlink()
    with pytest.raises(ConfigError) as caught:
        keys.rotate(actor="command line")
    assert caught.value.what == "The station's private key is not there, so nothing can be signed."
    assert "gare key rotate --lost" in caught.value.hint
    assert [record.key for record in keys.all()] == [keys.current()]
    made = keys.rotate(actor="command line", is_lost=True)
    assert keys.signer().chain == (made,)
    assert [record.retired_at != "" for record in keys.all()] == [True, False]


def other_key(path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def folder_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (Path.unlink, "The station's private key is not there, so nothing can be signed."),
        (lambda path: path.write_text("secret"), "The station's private key is no key that can be read."),
        (lambda path: path.write_bytes(b""), "The station's private key is no key that can be read."),
        (folder_there, "The station's private key cannot be read: Is a directory."),
        (other_key, "The file holds another key than the ledger names."),
    ],
)  # fmt: skip
def test_a_private_key_that_cannot_be_used_is_told_and_nothing_is_written(
    keys, ledger, story, store, tmp_path, spoil, what
):
    release, _ = story.open_release(ledger)
    path = keys.path(keys.signer().id)
    spoil(path)
    with pytest.raises(ConfigError) as caught:
        story.write_signed(ledger, store, release.id, tmp_path / "out.zip", signer=keys.signer())
    assert (caught.value.what, caught.value.where) == (what, str(path))
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "out.zip").exists()
    assert len(keys.all()) == 1


def test_a_folder_that_cannot_be_made_leaves_no_key(ledger, tmp_path):
    (tmp_path / "file").write_text("")
    keys = Keys(ledger.database, tmp_path / "file" / "keys")
    with pytest.raises(ConfigError) as caught:
        keys.signer()
    assert caught.value.what == "The station's private key cannot be kept: Not a directory."
    assert keys.all() == []
    assert station(ledger) == []


@pytest.mark.parametrize(
    "text",
    ["", "no key", "-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----\n", "A" * 100_000],
)
def test_a_text_without_a_key_is_told(text):
    from gare.errors import UnexpectedReply

    with pytest.raises(UnexpectedReply) as caught:
        read_public(text, "the file")
    assert caught.value.what == "It holds no ed25519 public key in PEM."
