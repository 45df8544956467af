"""The certificate under which the page is served on the hall's network."""

import ssl
from pathlib import Path

from daemon.errors import DaemonError


def load(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a server needs of it. Raises DaemonError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        # Of OpenSSL's own words nobody at a counter makes anything.
        reason = (
            "they do not belong together" if isinstance(error, ssl.SSLError) else error.strerror
        )
        raise DaemonError(
            f"page.tls_certificate: {certificate} and {key} cannot be used ({reason}): "
            "put a PEM certificate and its key there, readable by this user"
        ) from error
    return context
