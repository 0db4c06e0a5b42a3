"""A QR code as one SVG path: nothing of it is markup, so that a template can draw it."""

import segno

QUIET = 4  # modules of white around it, which readers need


def drawn(text: str) -> tuple[int, str]:
    """How many modules wide it is with its quiet zone, and the path of the dark ones, in modules."""
    rows = [list(row) for row in segno.make_qr(text, error="m").matrix_iter(border=QUIET)]
    steps = (f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)
    return len(rows), "".join(steps)
