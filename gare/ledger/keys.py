"""The station's signing keys: private halves in the state folder, public halves and their succession in the ledger.

Made at first use; one is current at a time. A private key never leaves its file; nothing here prints one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Row, insert, select, update

from gare.errors import ConfigError
from gare.files import write_atomic
from gare.ledger.database import Database, spell
from gare.ledger.dsse import PublicKey, endorse, fingerprint, spell_public
from gare.ledger.schema import keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_MODE, _FOLDER_MODE = 0o600, 0o700


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as the ledger has it. `retired_at` is empty for the current one."""

    key: PublicKey
    retired_at: str


@dataclass(frozen=True, slots=True)
class Signer:
    """The current key, ready to sign. `chain` are the keys from the station's first (or first after a loss) to it."""

    chain: tuple[PublicKey, ...]
    private: "Ed25519PrivateKey"

    @property
    def id(self) -> str:
        """Return the fingerprint of the key that signs."""
        return self.chain[-1].id

    def sign(self, message: bytes) -> bytes:
        """Sign; the same message gives the same bytes."""
        return self.private.sign(message)


class Keys:
    """The keys of one station. `folder` need not exist yet."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        new: "Callable[[], Ed25519PrivateKey] | None" = None,
    ) -> None:
        self._db, self.folder, self._new = database, folder, new or _generate

    def all(self) -> list[KeyRecord]:
        """Return every key the station has had, oldest first."""
        with self._db.read() as connection:
            return _all(connection)

    def path(self, key_id: str) -> Path:
        """Return where the private half of a key lies."""
        return self.folder / f"{key_id.removeprefix('sha256:')}.pem"

    def current(self) -> PublicKey:
        """Return the current key; made now when the station has none. Its private half may lie on another machine."""
        return _current(self._known())

    def signer(self) -> Signer:
        """Return the current key, ready to sign. Raises ConfigError when its private half cannot be read."""
        return self._signer(self._known())

    def _known(self) -> list[KeyRecord]:
        known = self.all()
        if not _has_current(known):
            # Whoever comes second waits here for the first, and finds its key.
            with self._db.write() as connection:
                known = _all(connection)
                if not _has_current(known):
                    self._make(connection, "gare", None)
                    known = _all(connection)
        return known

    def rotate(self, *, actor: str, is_lost: bool = False) -> PublicKey:
        """Make a new current key, endorsed by the one before; with `is_lost` by none: a new succession begins.

        Raises ConfigError when the private half of the current key is not there and it is not said to be lost.
        """
        with self._db.write() as connection:
            known = _all(connection)
            current = [record.key for record in known if not record.retired_at]
            before = self._signer(known) if current and not is_lost else None
            now = self._db.clock()
            for key in current:
                connection.execute(
                    update(keys).where(keys.c.id == key.id).values(retired_at=spell(now))
                )
                body = {"key": key.id}
                self._db.append(connection, "station", "key retired", actor, body, at=now)
            return self._make(connection, actor, before)

    def _make(self, connection: Connection, actor: str, before: Signer | None) -> PublicKey:
        """Write the private half first: a key that the ledger knows has its file."""
        private, now = self._new(), self._db.clock()
        raw = private.public_key().public_bytes_raw()
        made_at, key_id = spell(now), fingerprint(raw)
        made = PublicKey(
            key_id,
            spell_public(raw),
            made_at,
            before.id if before else None,
            endorse(key_id, made_at, before.id, before.sign) if before else None,
        )
        self._keep(private, key_id)
        connection.execute(insert(keys).values(**made._asdict()))
        self._db.append(connection, "station", "key made", actor, made._asdict(), at=now)
        return made

    def _keep(self, private: "Ed25519PrivateKey", key_id: str) -> None:
        from cryptography.hazmat.primitives import serialization

        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        try:
            self.folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            write_atomic(self.path(key_id), pem, mode=_MODE)
        except OSError as error:
            raise ConfigError(
                f"The station's private key cannot be kept: {error.strerror}.",
                where=str(self.folder),
                hint="Make the folder writable and give it room; nothing was changed.",
            ) from error

    def _signer(self, known: list[KeyRecord]) -> Signer:
        by_id = {record.key.id: record.key for record in known}
        current = _current(known)
        return Signer(tuple(succession(by_id, current)), self._private(current))

    def _private(self, key: PublicKey) -> "Ed25519PrivateKey":
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        path = self.path(key.id)
        hint = (
            f"Put {path.name} back from a backup of the state folder's `keys`, or, when it is lost, make a new one: "
            "`gare key rotate --lost`."
        )
        try:
            found = serialization.load_pem_private_key(path.read_bytes(), None)
        except FileNotFoundError:
            raise ConfigError(
                "The station's private key is not there, so nothing can be signed.",
                where=str(path),
                hint=hint,
            ) from None
        except OSError as error:
            raise ConfigError(
                f"The station's private key cannot be read: {error.strerror}.",
                where=str(path),
                hint="Let this user read it.",
            ) from error
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConfigError(
                "The station's private key is no key that can be read.", where=str(path), hint=hint
            ) from None
        if not isinstance(found, Ed25519PrivateKey) or (
            spell_public(found.public_key().public_bytes_raw()) != key.public
        ):
            raise ConfigError(
                "The file holds another key than the ledger names.", where=str(path), hint=hint
            )
        return found


def _has_current(known: list[KeyRecord]) -> bool:
    return any(not record.retired_at for record in known)


def _current(known: list[KeyRecord]) -> PublicKey:
    return next(record.key for record in known if not record.retired_at)


def succession(known: dict[str, PublicKey], last: PublicKey) -> list[PublicKey]:
    """Return the keys from the first of its succession to this one, each endorsed by the one before."""
    found = [last]
    while (by := found[-1].endorsed_by) and by in known and len(found) <= len(known):
        found.append(known[by])
    return found[::-1]


def _all(connection: Connection) -> list[KeyRecord]:
    rows = connection.execute(select(keys).order_by(keys.c.made_at, keys.c.id))
    return [_record(row) for row in rows]


def _record(row: Row[tuple[str, ...]]) -> KeyRecord:
    key = PublicKey(row.id, row.public, row.made_at, row.endorsed_by, row.endorsement)
    return KeyRecord(key, row.retired_at or "")


def _generate() -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate()
