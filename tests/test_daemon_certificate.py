"""The life of a certificate, as the general package reads it."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.net.certificate import life
from sim.authority import Authority

YEAR = 365.25


@pytest.mark.parametrize("days", [(-1, 1), (-30 * YEAR, -29 * YEAR), (20 * YEAR, 40 * YEAR)])
def test_life_is_what_the_certificate_says(tmp_path, days):
    pem = Authority(tmp_path, "units", days=days).certificate.read_bytes()
    made = x509.load_pem_x509_certificate(pem)
    assert life(pem) == (made.not_valid_before_utc, made.not_valid_after_utc)
    begins, ends = life(pem)
    assert abs(begins - datetime.now(UTC) - timedelta(days=days[0])) < timedelta(minutes=1)
    assert begins < ends


@settings(max_examples=30)
@given(st.binary(max_size=200))
def test_life_of_what_is_no_certificate_is_unknown(noise):
    assert life(noise) is None
    assert life(b"-----BEGIN CERTIFICATE-----" + noise + b"-----END CERTIFICATE-----") is None
