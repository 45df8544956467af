"""The authority: what it signs holds at openssl, what it must not sign it does not."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioning.office import authority
from provisioning.office.authority import (
    CERTIFICATE,
    KEY,
    Authority,
    AuthorityUnusable,
    BadRequest,
    TakenBack,
)

NOW = datetime.now(UTC)
NAME = "330102/h01/w03"
PASSPHRASE = b"correct horse"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    Authority.make(folder, "haochaping units of 330102-h01", PASSPHRASE, NOW)
    return folder


def openssl(*words: str, given: str = "") -> str:
    done = subprocess.run(
        ["openssl", *words], input=given, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


def request(folder: Path, name: str, key: str = "EC", *options: str) -> str:
    made = openssl("genpkey", "-algorithm", key, *options)
    path = folder / "unit.key"
    path.write_text(made)
    return openssl(
        "req", "-new", "-key", str(path), "-subj", f"/CN={name.replace('/', chr(92) + '/')}"
    )


P256 = ("-pkeyopt", "ec_paramgen_curve:P-256")


def test_certificate_then_one_that_openssl_verifies_for_a_client(
    folder: Path, tmp_path: Path
) -> None:
    held = Authority.open(folder, PASSPHRASE, NOW)
    issued = held.issue(request(tmp_path, NAME, "EC", *P256), NAME, 365, NOW)
    path = tmp_path / "unit.pem"
    path.write_text(issued.pem)
    ca = str(folder / CERTIFICATE)
    verified = openssl("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", ca, str(path))
    assert verified.strip() == f"{path}: OK"
    assert openssl("x509", "-in", str(path), "-noout", "-subject").strip() == f"subject=CN = {NAME}"
    assert issued.until == (NOW + timedelta(days=365)).replace(microsecond=0)
    made = held.list_of([TakenBack(issued.number, NOW)], 90, NOW)
    (folder / "crl.pem").write_text(made)
    refused = subprocess.run(
        ["openssl", "verify", "-crl_check", "-CAfile", ca, "-CRLfile", str(folder / "crl.pem"),
         str(path)], capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert "certificate revoked" in refused.stderr
    assert authority.ends(made.encode()) == (NOW + timedelta(days=90)).replace(microsecond=0)


@pytest.mark.parametrize(
    ("asks_for", "key", "options", "sentence"),
    [
        ("330102/h01/w04", "EC", P256, "does not ask for 330102/h01/w03"),
        (NAME, "EC", ("-pkeyopt", "ec_paramgen_curve:P-384"), "not on P-256"),
        (NAME, "ED25519", (), "not on P-256"),
    ],
)
def test_request_for_something_else_then_refused(
    folder: Path,
    tmp_path: Path,
    asks_for: str,
    key: str,
    options: tuple[str, ...],
    sentence: str,
) -> None:
    held = Authority.open(folder, PASSPHRASE, NOW)
    with pytest.raises(BadRequest, match=sentence):
        held.issue(request(tmp_path, asks_for, key, *options), NAME, 365, NOW)


def test_request_that_is_damaged_then_refused(folder: Path, tmp_path: Path) -> None:
    held = Authority.open(folder, PASSPHRASE, NOW)
    pem = request(tmp_path, NAME, "EC", *P256).splitlines()
    pem[2] = pem[2][::-1]
    with pytest.raises(BadRequest):
        held.issue("\n".join(pem), NAME, 365, NOW)


def test_certificate_then_never_longer_than_its_authority(folder: Path, tmp_path: Path) -> None:
    held = Authority.open(folder, PASSPHRASE, NOW)
    late = NOW + timedelta(days=365 * authority.AUTHORITY_YEARS - 10)
    issued = held.issue(request(tmp_path, NAME, "EC", *P256), NAME, 365, late)
    assert issued.until < late + timedelta(days=11)


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        (NOW - timedelta(days=30), "this computer believes it is"),
        (NOW + timedelta(days=366 * authority.AUTHORITY_YEARS), "the authority ended on"),
    ],
)
def test_clock_outside_the_authoritys_life_then_a_sentence(
    folder: Path, now: datetime, sentence: str
) -> None:
    with pytest.raises(AuthorityUnusable, match=sentence):
        Authority.open(folder, PASSPHRASE, now)


def test_key_then_encrypted_and_closed(folder: Path) -> None:
    raw = (folder / KEY).read_text()
    assert raw.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert (folder / KEY).stat().st_mode & 0o777 == 0o600
    with pytest.raises(AuthorityUnusable, match="does not open with this passphrase"):
        Authority.open(folder, b"wrong", NOW)


def test_key_that_is_missing_then_what_goes_on_and_what_to_do(folder: Path, tmp_path: Path) -> None:
    (tmp_path / CERTIFICATE).write_bytes((folder / CERTIFICATE).read_bytes())
    with pytest.raises(AuthorityUnusable, match="key is missing") as caught:
        Authority.open(tmp_path, PASSPHRASE, NOW)
    assert "backup" in caught.value.hint


def test_authority_there_is_already_then_taken_over_with_its_key_encrypted_anew(
    folder: Path, tmp_path: Path
) -> None:
    Authority.take_over(
        tmp_path / "held", folder / CERTIFICATE, folder / KEY, PASSPHRASE, b"other", NOW
    )
    assert Authority.open(tmp_path / "held", b"other", NOW)


def test_certificate_that_may_not_sign_then_not_taken_over(folder: Path, tmp_path: Path) -> None:
    held = Authority.open(folder, PASSPHRASE, NOW)
    issued = held.issue(request(tmp_path, NAME, "EC", *P256), NAME, 365, NOW)
    (tmp_path / "unit.pem").write_text(issued.pem)
    with pytest.raises(AuthorityUnusable, match="may not sign others"):
        Authority.take_over(
            tmp_path / "held", tmp_path / "unit.pem", tmp_path / "unit.key", None, b"other", NOW
        )
    with pytest.raises(AuthorityUnusable, match="not the certificate of the key beside it"):
        Authority.take_over(
            tmp_path / "held", folder / CERTIFICATE, tmp_path / "unit.key", None, b"other", NOW
        )


def test_certificate_of_another_authority_then_only_for_this_name_and_key(
    folder: Path, tmp_path: Path
) -> None:
    held = Authority.open(folder, PASSPHRASE, NOW)
    asked = request(tmp_path, NAME, "EC", *P256)
    issued = held.issue(asked, NAME, 90, NOW)
    assert authority.issued_elsewhere(issued.pem, asked, NAME) == issued
    other = request(tmp_path, NAME, "EC", *P256)
    with pytest.raises(BadRequest, match="of another key"):
        authority.issued_elsewhere(issued.pem, other, NAME)
    with pytest.raises(BadRequest, match="is no certificate"):
        authority.issued_elsewhere("sorry", asked, NAME)
