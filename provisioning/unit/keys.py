"""The unit's two keys, made here by openssl and never read by anybody else (real I/O).

openssl, since the installation of a unit needs it anyway: what makes certificates in Python is ten
megabytes that a unit would carry for this one minute.
"""

from pathlib import Path

from protocol.central.entry import Source
from protocol.central.signing import KeyUnreadable, SigningKey
from provisioning.errors import ProvisioningError
from provisioning.unit.machine import Machine


def make_signing_key(path: Path) -> SigningKey:
    """A new key for the journal, where there is none."""
    if not path.exists():
        SigningKey.generate().save(path)
    return load_signing_key(path)


def load_signing_key(path: Path) -> SigningKey:
    """The key that signs the journal. Raises ProvisioningError."""
    try:
        return SigningKey.load(path)
    except KeyUnreadable as error:
        raise ProvisioningError(f"the signing key cannot be used: {error}") from error


def make_tls_key(machine: Machine, path: Path) -> None:
    """A new key for the connection to the broker, where there is none."""
    if path.exists():
        return
    made = machine.run("openssl", "genpkey", "-algorithm", "EC",
                       "-pkeyopt", "ec_paramgen_curve:P-256")  # fmt: skip
    machine.put(f"/{path.relative_to(machine.root)}", made, 0o600)


def certificate_request(machine: Machine, key: Path, source: Source) -> str:
    """The request for a certificate of the unit's name, proven by the key, PEM."""
    name = str(source).removeprefix("/").replace("/", "\\/")
    return machine.run("openssl", "req", "-new", "-key", str(key), "-subj", f"/CN={name}").decode()


def is_of(machine: Machine, certificate: str, key: Path) -> bool:
    """Whether the certificate is that of the key."""
    public = machine.run("openssl", "x509", "-pubkey", "-noout", given=certificate.encode())
    return public == machine.run("openssl", "pkey", "-pubout", "-in", str(key))
