"""Signed statements: DSSE envelopes with an ed25519 signature, and keys that vouch for the ones that follow them.

Knows nothing of files and databases. Standard library, but for the check of a signature itself (`cryptography`,
imported when one is checked). DSSE: github.com/secure-systems-lab/dsse, protocol.md and envelope.md, version 1.0.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gare.domain.digest import canonical
from gare.errors import ConfigError, UnexpectedReply
from gare.ledger.container import Problem
from gare.ledger.replay import Reader, load

STATEMENT_TYPE = "application/vnd.in-toto+json"
ENDORSEMENT_TYPE = "application/vnd.gare.endorsement+json"
"""Another type: a signature under one can never pass for the other."""

MAX_KEYS = 1000
_ED25519 = bytes.fromhex("302a300506032b6570032100")
"""How the DER of every ed25519 public key begins (RFC 8410, section 4); its 32 bytes follow."""
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----\s*([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----")

Sign = Callable[[bytes], bytes]


class PublicKey(NamedTuple):
    """A station's key. `id` is the sha256 of its DER; `endorsement` (base64) is by the key `endorsed_by`, if any."""

    id: str
    public: str
    made_at: str
    endorsed_by: str | None
    endorsement: str | None


class Envelope(NamedTuple):
    """What was signed, by which key."""

    payload: bytes
    key_id: str
    signature: bytes


def spell_public(raw: bytes) -> str:
    """Spell the 32 bytes of a public key as PEM, in one way."""
    text = base64.b64encode(_ED25519 + raw).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"


def fingerprint(raw: bytes) -> str:
    """Return the id of a public key: what `openssl pkey -pubin -outform DER | sha256sum` prints."""
    return "sha256:" + hashlib.sha256(_ED25519 + raw).hexdigest()


def read_public(text: str, place: str) -> list[bytes]:
    """Return the 32 bytes of every ed25519 public key in a text. Raises UnexpectedReply when there is none."""
    found: list[bytes] = []
    for block in _PEM.findall(text):
        try:
            der = base64.b64decode("".join(block.split()), validate=True)
        except binascii.Error:
            continue
        if der.startswith(_ED25519) and len(der) == len(_ED25519) + 32:
            found.append(der[len(_ED25519) :])
    if not found:
        raise UnexpectedReply("It holds no ed25519 public key in PEM.", where=place)
    return found


def envelope(statement: Mapping[str, Any], key_id: str, sign: Sign) -> bytes:
    """Sign a statement; return the envelope as one line of JSON."""
    payload = canonical(statement).encode()
    signature = sign(_to_sign(STATEMENT_TYPE, payload))
    return envelope_text(payload, key_id, signature).encode()


def read_envelope(text: str, place: str) -> Envelope:
    """Return the content of an envelope; its signature is not checked. Raises UnexpectedReply."""
    reader = Reader(load(text, place), place)
    signatures = reader.objects("signatures")
    if reader.text("payloadType") != STATEMENT_TYPE or len(signatures) != 1:
        raise UnexpectedReply("It is no statement with one signature.", where=place)
    key_id = signatures[0].text("keyid")
    payload, signature = _decoded(reader, "payload"), _decoded(signatures[0], "sig")
    if text != envelope_text(payload, key_id, signature):
        raise UnexpectedReply("It is not spelled as Gare spells it.", where=place)
    return Envelope(payload, key_id, signature)


def envelope_text(payload: bytes, key_id: str, signature: bytes) -> str:
    """Spell an envelope in one way."""
    return (
        canonical(
            {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": STATEMENT_TYPE,
                "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
            }
        )
        + "\n"
    )


def is_signed(sealed: Envelope, public: str) -> bool:
    """Whether the envelope's signature is of this key."""
    return _verifies(public, _to_sign(STATEMENT_TYPE, sealed.payload), sealed.signature)


def endorse(key_id: str, made_at: str, by: str, sign: Sign) -> str:
    """Let a key vouch for the one that follows it; return the endorsement."""
    return base64.b64encode(sign(_endorsement(key_id, made_at, by))).decode()


def check_keys(keys: Sequence[PublicKey], place: str) -> Iterator[Problem]:
    """Yield what is wrong with keys that follow each other: the first stands for itself, the others are endorsed."""
    before: PublicKey | None = None
    for key in keys:
        name = f"{place}: key {key.id[:19]}…"
        yield from _check_public(key, name)
        if (key.endorsed_by or None) != (before.id if before else None):
            yield Problem(name, "it is not endorsed by the key before it")
        elif before and not is_endorsed(key, before):
            yield Problem(name, f"its endorsement is not by {before.id}")
        before = key


def is_endorsed(key: PublicKey, before: PublicKey) -> bool:
    """Whether the key before has signed that this one follows."""
    try:
        signature = base64.b64decode(key.endorsement or "", validate=True)
    except (binascii.Error, ValueError):
        return False
    return _verifies(before.public, _endorsement(key.id, key.made_at, before.id), signature)


def _check_public(key: PublicKey, name: str) -> Iterator[Problem]:
    [raw, *more] = read_public(key.public, name)
    if more or spell_public(raw) != key.public:
        yield Problem(name, "its PEM is not spelled as Gare spells it")
    if fingerprint(raw) != key.id:
        yield Problem(name, f"its fingerprint is {fingerprint(raw)}")


def _endorsement(key_id: str, made_at: str, by: str) -> bytes:
    statement = canonical({"by": by, "key": key_id, "made_at": made_at})
    return _to_sign(ENDORSEMENT_TYPE, statement.encode())


def _to_sign(kind: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def _verifies(public: str, message: bytes, signature: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise ConfigError(
            "Signatures cannot be checked: the library `cryptography` is not installed.",
            where="signatures",
            hint="Install it (`pip install cryptography`) and verify again.",
        ) from error
    try:
        key = Ed25519PublicKey.from_public_bytes(read_public(public, "key")[0])
        key.verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _decoded(reader: Reader, key: str) -> bytes:
    try:
        return base64.b64decode(reader.text(key), validate=True)
    except (binascii.Error, ValueError):
        raise UnexpectedReply(f"`{key}` is no base64.", where=reader.place) from None
