"""The authority of a hall's units: a certificate for a request, a list of those taken back.

The only file here that knows X.509. Its key is encrypted at rest; it signs names of this hall's
units and nothing else, for clients and nothing else. Real I/O: PEM files.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provisioning import files
from provisioning.errors import ProvisioningError

CERTIFICATE, KEY = "ca.pem", "ca.key"
# Longer than a hall's furniture: exchanging it means a visit to each broker.
AUTHORITY_YEARS = 20
# A laptop's and a unit's clock may differ by this and the certificate holds at once.
BACKDATED = timedelta(hours=1)
COMMON_NAME_LEN_MAX = 64  # RFC 5280, ub-common-name


class AuthorityUnusable(ProvisioningError):
    """The authority cannot sign; the text says why."""


class BadRequest(ProvisioningError):
    """A certificate request that is not signed."""


class Issued(NamedTuple):
    """A certificate: PEM, its number as hex, and when it ends to hold."""

    pem: str
    number: str
    until: datetime


class TakenBack(NamedTuple):
    """A certificate that no longer counts: its number as hex, and since when."""

    number: str
    since: datetime


class Authority:
    """Signs with the key in `folder`."""

    def __init__(self, certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
        self._certificate, self._key = certificate, key

    @classmethod
    def make(cls, folder: Path, name: str, passphrase: bytes, now: datetime) -> None:
        """Put a new authority into the folder: its certificate last, so that a half is none."""
        key = generate_private_key(SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + timedelta(days=365 * AUTHORITY_YEARS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        _put(folder, certificate, key, passphrase)

    @classmethod
    def take_over(
        cls,
        folder: Path,
        certificate: Path,
        key: Path,
        key_passphrase: bytes | None,
        passphrase: bytes,
        now: datetime,
    ) -> None:
        """Put an authority that exists into the folder, its key encrypted anew."""
        found = _certificate(certificate)
        held = _key(key, key_passphrase)
        _check(found, held, certificate, now)
        _put(folder, found, held, passphrase)

    @classmethod
    def open(cls, folder: Path, passphrase: bytes, now: datetime) -> "Authority":
        """The authority in the folder. Raises AuthorityUnusable."""
        certificate = _certificate(folder / CERTIFICATE)
        key = _key(folder / KEY, passphrase)
        _check(certificate, key, folder / CERTIFICATE, now)
        return cls(certificate, key)

    def issue(self, request_pem: str, name: str, days: int, now: datetime) -> Issued:
        """A certificate for a unit's request, which must ask for this name. Raises BadRequest."""
        public = _asked(request_pem, name)
        until = min(now + timedelta(days=days), self._certificate.not_valid_after_utc)
        until = until.replace(microsecond=0)
        number = x509.random_serial_number()
        signed = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._certificate.subject)
            .public_key(public)
            .serial_number(number)
            .not_valid_before(max(now - BACKDATED, self._certificate.not_valid_before_utc))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return Issued(_pem(signed), f"{number:x}", until)

    def list_of(self, taken_back: Iterable[TakenBack], days: int, now: datetime) -> str:
        """The list of certificates that no longer count, PEM; it holds for so many days."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(max(now - BACKDATED, self._certificate.not_valid_before_utc))
            .next_update(now + timedelta(days=days))
            # Only ever larger, also from a copy of this folder: the time is (RFC 5280 5.2.3).
            .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        for number, since in taken_back:
            revoked = x509.RevokedCertificateBuilder()
            revoked = revoked.serial_number(int(number, 16)).revocation_date(since)
            builder = builder.add_revoked_certificate(revoked.build())
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


def ends(list_pem: bytes) -> datetime | None:
    """When a list of certificates taken back ends to hold; None if it cannot be read."""
    try:
        return x509.load_pem_x509_crl(list_pem).next_update_utc
    except ValueError:
        return None


def ends_of_certificate(pem: bytes) -> datetime | None:
    """When a certificate ends to hold; None if it cannot be read."""
    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        return None


def issued_elsewhere(pem: str, request_pem: str, name: str) -> Issued:
    """A certificate that another authority signed for this request. Raises BadRequest."""
    public = _asked(request_pem, name)
    try:
        signed = x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise BadRequest(f"what the authority gave for {name} is no certificate") from error
    names = [
        attribute.value for attribute in signed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    ]
    if names != [name]:
        raise BadRequest(
            f"the authority signed the name {names}, and the unit is {name}",
            "have it sign the common name of the request as it is",
        )
    if signed.public_key() != public:
        raise BadRequest(f"the certificate for {name} is of another key than the request")
    return Issued(pem, f"{signed.serial_number:x}", signed.not_valid_after_utc)


def _asked(request_pem: str, name: str) -> EllipticCurvePublicKey:
    """The key of a request that asks for this name and proves itself."""
    try:
        request = x509.load_pem_x509_csr(request_pem.encode())
        is_proven = request.is_signature_valid
    except (ValueError, InvalidSignature) as error:
        raise BadRequest(f"the certificate request of {name} cannot be read: {error}") from error
    if not is_proven:
        raise BadRequest(f"the certificate request of {name} does not prove its key")
    attributes = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if [attribute.value for attribute in attributes] != [name]:
        raise BadRequest(f"the certificate request does not ask for {name}")
    public = request.public_key()
    if not isinstance(public, EllipticCurvePublicKey) or not isinstance(public.curve, SECP256R1):
        raise BadRequest(f"the certificate request of {name} has a key that is not on P-256")
    return public


def _check(
    certificate: x509.Certificate, key: EllipticCurvePrivateKey, path: Path, now: datetime
) -> None:
    if certificate.public_key() != key.public_key():
        raise AuthorityUnusable(f"{path}: not the certificate of the key beside it")
    try:
        is_authority = certificate.extensions.get_extension_for_class(
            x509.BasicConstraints
        ).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        raise AuthorityUnusable(f"{path}: this certificate may not sign others (no CA)")
    if now > certificate.not_valid_after_utc:
        raise AuthorityUnusable(
            f"{path}: the authority ended on {certificate.not_valid_after_utc:%Y-%m-%d}",
            "is this computer's clock right? If so, make a new authority",
        )
    if now < certificate.not_valid_before_utc:
        raise AuthorityUnusable(
            f"{path}: the authority begins on {certificate.not_valid_before_utc:%Y-%m-%d}, and "
            f"this computer believes it is {now:%Y-%m-%d}",
            "set this computer's clock right",
        )


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise AuthorityUnusable(
            f"{path}: the authority's certificate is missing ({error.strerror})",
            "put the folder authority/ back from its backup",
        ) from error
    except ValueError as error:
        raise AuthorityUnusable(f"{path}: not a certificate in PEM") from error


def _key(path: Path, passphrase: bytes | None) -> EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), passphrase)
    except OSError as error:
        raise AuthorityUnusable(
            f"{path}: the authority's key is missing ({error.strerror}): nothing can be signed",
            "put the folder authority/ back from its backup; units that are enrolled go on",
        ) from error
    except (ValueError, TypeError) as error:
        raise AuthorityUnusable(
            f"{path}: the authority's key does not open with this passphrase",
            "use the passphrase of this site, made together with it",
        ) from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise AuthorityUnusable(f"{path}: not an elliptic-curve key (P-256)")
    return key


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _put(
    folder: Path, certificate: x509.Certificate, key: EllipticCurvePrivateKey, passphrase: bytes
) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )
    files.put(folder / KEY, encrypted, 0o600)
    files.put(folder / CERTIFICATE, _pem(certificate).encode())
