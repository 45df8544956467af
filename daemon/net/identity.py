"""What the unit shows the broker: whether its TLS files can be used at all. Real I/O."""

import ssl

from daemon.config.uplink import Uplink
from daemon.errors import DaemonError


def check(config: Uplink) -> None:
    """Raise DaemonError for files that no connection could be made with."""
    if config.tls_ca is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(config.tls_ca)
    except OSError as error:
        raise DaemonError(
            f"uplink.tls_ca: {config.tls_ca} is no PEM certificate: put the one of the broker's "
            "authority there"
        ) from error
    certificate, key = config.tls_certificate, config.tls_key
    if certificate is None or key is None:
        return
    try:
        # A key with a password would hold the daemon at its start: nobody is there to type it.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise DaemonError(
            f"uplink.tls_certificate: {certificate} and {key} do not belong together, or are no "
            "PEM files: put the certificate there that was issued for this key"
        ) from error
