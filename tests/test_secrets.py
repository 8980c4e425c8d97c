"""Secret references: resolved, masked, and missing ones named without a value."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from gare import masking
from gare.errors import ConfigError
from gare.secrets import SecretRef, is_reference, resolve
from gare.settings import Settings


class Login(Settings):
    password: SecretRef = ""


def test_a_variable_is_read_and_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "tok-123456")
    assert resolve("$SHOP_TOKEN") == "tok-123456"
    assert masking.current().apply("tok-123456") == "***"


def test_a_file_is_read_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("file-secret-1\n")
    assert resolve(f"file:{tmp_path / 'key'}") == "file-secret-1"
    assert resolve("file:key", base=tmp_path) == "file-secret-1"


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        (
            "$NOT_SET_HERE",
            "The environment variable NOT_SET_HERE is not set, and a secret is taken from it. ($NOT_SET_HERE) "
            "Set NOT_SET_HERE where Gare's worker is started.",
        ),
        (
            "$EMPTY_HERE",
            "The environment variable EMPTY_HERE is empty, and a secret is taken from it. ($EMPTY_HERE) "
            "Set EMPTY_HERE where Gare's worker is started.",
        ),
        (
            "file:none",
            "The secret file cannot be read: No such file or directory. (file:none) "
            "Create it, readable by the worker's user only.",
        ),
        ("file:empty", "The secret file is empty. (file:empty) Put the secret on its first line."),
        ("file:bytes", "The secret file cannot be read: it is not UTF-8 text. (file:bytes) "
            "Create it, readable by the worker's user only."),
        ("hunter22", "A secret is written as a value. Write a reference: `$NAME` or `file:PATH`."),
    ],
)  # fmt: skip
def test_a_missing_secret_is_named(
    ref: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMPTY_HERE", "")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(ConfigError) as failure:
        resolve(ref, base=tmp_path)
    assert str(failure.value) == message


@pytest.mark.parametrize("value", ["$A", "$A_1", "file:/x", "file:x y", ""])
def test_references_are_accepted_in_configuration(value: str) -> None:
    assert Login(password=value).password == value


@pytest.mark.parametrize("value", ["hunter22", "$", "$1A", "$A B", "file:", "${A}", "$A$B"])
def test_values_are_refused_in_configuration(value: str) -> None:
    assert not is_reference(value)
    with pytest.raises(ValidationError, match="secrets never stand in a configuration file"):
        Login(password=value)
