"""Envelopes: one key opens them, nobody else, and what was inside shows by nothing but length."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.central.envelope import ENVELOPE_LEN_MORE, Addressee, EnvelopeError, Opener
from protocol.central.pem import KeyUnreadable
from protocol.central.signing import SigningKey

OWNER = Opener.generate()


@given(st.binary(max_size=300))
def test_envelope_when_opened_by_its_addressee_then_gives_the_letter(letter: bytes) -> None:
    envelope = OWNER.public.close(letter)
    assert OWNER.open(envelope) == letter
    assert len(envelope) == len(letter) + ENVELOPE_LEN_MORE
    assert OWNER.public.close(letter) != envelope


@given(st.integers(0, 8 * (20 + ENVELOPE_LEN_MORE) - 1))
def test_envelope_when_a_bit_flips_then_is_not_opened(bit: int) -> None:
    envelope = bytearray(OWNER.public.close(b"twenty bytes of text"))
    envelope[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EnvelopeError, match="damaged"):
        OWNER.open(bytes(envelope))


@pytest.mark.parametrize("envelope", [b"", b"x", bytes(ENVELOPE_LEN_MORE)])
def test_envelope_when_it_is_none_then_says_so(envelope: bytes) -> None:
    with pytest.raises(EnvelopeError):
        OWNER.open(envelope)


def test_envelope_when_another_key_opens_it_then_is_refused() -> None:
    with pytest.raises(EnvelopeError, match="another key"):
        Opener.generate().open(OWNER.public.close(b"letter"))


def test_keys_when_saved_and_loaded_then_are_the_same(tmp_path: Path) -> None:
    OWNER.save(tmp_path / "support.pem")
    OWNER.public.save(tmp_path / "support.pub")
    envelope = Addressee.load(tmp_path / "support.pub").close(b"letter")
    assert Opener.load(tmp_path / "support.pem").open(envelope) == b"letter"
    assert (tmp_path / "support.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.needs("mosquitto_pub")
def test_keys_when_made_by_openssl_then_are_read(tmp_path: Path) -> None:
    for command in (
        ["genpkey", "-algorithm", "x25519", "-out", "support.pem"],
        ["pkey", "-in", "support.pem", "-pubout", "-out", "support.pub"],
    ):
        subprocess.run(["openssl", *command], cwd=tmp_path, check=True, capture_output=True)
    envelope = Addressee.load(tmp_path / "support.pub").close(b"letter")
    assert Opener.load(tmp_path / "support.pem").open(envelope) == b"letter"


def test_key_when_it_is_one_for_signing_then_is_refused(tmp_path: Path) -> None:
    SigningKey.generate().public.save(tmp_path / "signing.pub")
    with pytest.raises(KeyUnreadable, match="not a plain X25519 key"):
        Addressee.load(tmp_path / "signing.pub")
