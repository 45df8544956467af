"""Keys: files only their owner reads, forms other tools read, and sentences for what is wrong."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from protocol.central.signing import (
    KeyUnreadable,
    SigningKey,
    VerifyKey,
    from_base64url,
    to_base64url,
)

SEED = bytes(range(32))
# RFC 8032 7.1, test 2.
RFC_SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
RFC_SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_sign_when_given_the_vector_of_the_rfc_then_gives_its_signature() -> None:
    assert SigningKey.from_seed(RFC_SEED).sign(b"\x72") == RFC_SIGNATURE


@given(st.binary(), st.integers(0, 511))
def test_verify_when_one_bit_of_the_signature_flips_then_refuses(message: bytes, bit: int) -> None:
    key = SigningKey.from_seed(SEED)
    signature = bytearray(key.sign(message))
    assert key.public.verify(message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    assert not key.public.verify(message, bytes(signature))


def test_save_when_loaded_again_then_is_the_same_key_and_only_its_owner_reads_it(
    tmp_path: Path,
) -> None:
    key = SigningKey.generate()
    key.save(tmp_path / "private.pem")
    key.public.save(tmp_path / "public.pem")
    assert stat.S_IMODE((tmp_path / "private.pem").stat().st_mode) == 0o600
    loaded = SigningKey.load(tmp_path / "private.pem")
    assert loaded.kid == key.kid == VerifyKey.load(tmp_path / "public.pem").kid
    assert VerifyKey.from_text(key.public.to_text()).verify(b"x", loaded.sign(b"x"))


def test_save_when_the_file_exists_then_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    SigningKey.from_seed(SEED).save(path)
    with pytest.raises(KeyUnreadable, match="exists"):
        SigningKey.generate().save(path)
    assert SigningKey.load(path).kid == SigningKey.from_seed(SEED).kid


def test_pem_files_when_read_by_the_general_package_then_are_the_same_keys(tmp_path: Path) -> None:
    key = SigningKey.from_seed(SEED)
    key.save(tmp_path / "private.pem")
    key.public.save(tmp_path / "public.pem")
    private = serialization.load_pem_private_key((tmp_path / "private.pem").read_bytes(), None)
    public = serialization.load_pem_public_key((tmp_path / "public.pem").read_bytes())
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    assert private.public_key().public_bytes(*raw) == public.public_bytes(*raw)
    written = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "other.pem").write_bytes(b"Key of a unit\n" + written.replace(b"\n", b"\r\n"))
    assert SigningKey.load(tmp_path / "other.pem").kid == key.kid


def test_load_when_the_file_is_no_such_key_then_says_which_file_and_why(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with pytest.raises(KeyUnreadable, match=r"key\.pem: No such file"):
        SigningKey.load(path)
    path.write_text("nothing")
    with pytest.raises(KeyUnreadable, match="no unencrypted PEM"):
        SigningKey.load(path)
    SigningKey.from_seed(SEED).public.save(tmp_path / "public.pem")
    with pytest.raises(KeyUnreadable, match="PRIVATE KEY"):
        SigningKey.load(tmp_path / "public.pem")
    path.write_text("-----BEGIN PUBLIC KEY-----\nAAAA=AA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(KeyUnreadable, match="damaged"):
        VerifyKey.load(path)
    other = rsa.generate_private_key(65537, 1024).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(other)
    with pytest.raises(KeyUnreadable, match="not a plain Ed25519 key"):
        SigningKey.load(path)


@given(st.binary())
def test_base64url_when_read_back_then_is_the_same(raw: bytes) -> None:
    assert from_base64url(to_base64url(raw)) == raw


@pytest.mark.parametrize("text", ["A", "AB", "AA==", "A+B/", "AAA\n", "ÄÄÄÄ", " AAAA"])
def test_base64url_when_written_in_another_way_then_is_not_read(text: str) -> None:
    assert from_base64url(text) is None


@pytest.mark.parametrize("text", ["", "AAAA", "A" * 44, "not a key"])
def test_from_text_when_it_is_no_key_then_says_what_a_key_is(text: str) -> None:
    with pytest.raises(KeyUnreadable, match="32 bytes"):
        VerifyKey.from_text(text)
