"""A QR code as a drawing of its own (pure); the one place on this side that makes them."""

from qrcodegen import QrCode

# Light modules around it, which a reader needs (ISO/IEC 18004, 9.1).
QUIET = 4


def svg(text: str) -> str:
    """The code as an SVG element that takes the size of its frame; dark on white."""
    code = QrCode.encode_text(text, QrCode.Ecc.MEDIUM)
    side = code.get_size()
    dark = "".join(
        f"M{x + QUIET} {y + QUIET}h1v1h-1z"
        for y in range(side)
        for x in range(side)
        if code.get_module(x, y)
    )
    whole = side + 2 * QUIET
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {whole}" '
        f'shape-rendering="crispEdges" role="img"><path fill="#fff" d="M0 0h{whole}v{whole}H0z"/>'
        f'<path d="{dark}"/></svg>'
    )
