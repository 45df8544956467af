"""Certificates for simulations and tests: authorities, what they issue, what they take back.

    hall = Authority(folder, "units of 330102")
    unit = hall.issue("330102/h01/w03")
    context.load_cert_chain(unit.certificate, unit.key)
    hall.revoke(unit)  # hall.crl is a new list from now on

Real I/O: everything is a PEM file. Names are taken as they are, also those no authority should
sign, because what a broker does with them is what the tests ask.
"""

import datetime as dt
import ipaddress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"
Days = tuple[float, float]  # from now: when it begins to hold, when it ends
HOLDS: Days = (-1, 1)
LISTS: Days = (0, 30)


class Identity(NamedTuple):
    """One certificate and its key."""

    name: str
    certificate: Path
    key: Path
    number: int


class Authority:
    """An authority whose own certificate is `certificate` and whose list of taken back ones `crl`.

    It also stands for a server or a unit that signed for itself: `key` is beside `certificate`.
    """

    def __init__(self, folder: Path, name: str, *, days: Days = HOLDS) -> None:
        self._folder, self._subject = folder / _file_name(name), _subject(name)
        self._folder.mkdir(parents=True)
        self._signing = generate_private_key(SECP256R1())
        self._issued_count = self._listed_count = 0
        self._revoked: dict[int, dt.datetime] = {}
        certificate = self._sign(self._subject, self._signing, x509.random_serial_number(), days, 0)
        self.certificate = self._folder / "ca.pem"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key = _write_key(self._folder / "ca.key", self._signing)
        self.crl = self._folder / "crl.pem"
        self._write_list(LISTS)

    def issue(self, name: str, *, days: Days = HOLDS) -> Identity:
        """A certificate for `name` (empty: nameless), for a client or a server on loopback."""
        self._issued_count += 1
        stem = f"{self._issued_count:03}-{_file_name(name)}"
        key, number = generate_private_key(SECP256R1()), x509.random_serial_number()
        made = self._sign(_subject(name), key, number, days, None)
        path = self._folder / f"{stem}.pem"
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return Identity(name, path, _write_key(self._folder / f"{stem}.key", key), number)

    def revoke(self, *identities: Identity, days: Days = LISTS) -> Path:
        """Take certificates back; returns the file with the new list, which holds for days."""
        for identity in identities:
            self._revoked.setdefault(identity.number, dt.datetime.now(dt.UTC))
        return self._write_list(days)

    def _sign(
        self,
        subject: x509.Name,
        key: EllipticCurvePrivateKey,
        number: int,
        days: Days,
        below: int | None,
    ) -> x509.Certificate:
        """below: how many authorities may follow under this one; None when it is none itself."""
        begins, ends = (dt.datetime.now(dt.UTC) + dt.timedelta(days=day) for day in days)
        address = x509.IPAddress(ipaddress.ip_address(LOOPBACK))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(number)
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(
                x509.BasicConstraints(ca=below is not None, path_length=below), critical=True
            )
            .sign(self._signing, hashes.SHA256())
        )

    def _write_list(self, days: Days) -> Path:
        self._listed_count += 1
        begins, ends = (dt.datetime.now(dt.UTC) + dt.timedelta(days=day) for day in days)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._subject)
            .last_update(begins)
            .next_update(ends)
            .add_extension(x509.CRLNumber(self._listed_count), critical=False)
        )
        for number, since in self._revoked.items():
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(number)
                .revocation_date(since)
                .build()
            )
        signed = builder.sign(self._signing, hashes.SHA256())
        self.crl.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return self.crl


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)[:40] or "nobody"


def _write_key(path: Path, key: EllipticCurvePrivateKey) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
