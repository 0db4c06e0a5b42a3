"""How large letters must be to be read from where people sit, and how many rows of them fit. Pure arithmetic.

The smallest text that must be read has capitals of 20 arc minutes, at the longest viewing distance: FAA human factors,
text for changing or critical information (http://www.hf.faa.gov/Webtraining/VisualDisplays/text/size1a.htm).
Sizes are CSS pixels of a screen of 16 to 9 that is `LONG` of them wide; everything else on a wall is a multiple of the
letter. A screen of other pixels scales: static/wall/type.js reckons the same from its own width.
"""

from math import hypot, radians, tan

ARC_MINUTES = 20
CAPITAL = 0.7  # of the font's size
INCH_MM = 25.4
LONG, SHORT = 1920, 1080
MARGIN = 0.05  # of the height, above and below
HEADER, STRIP, ROW = 1.35, 4.5, 1.35  # letters high
LEAST_ROWS = {"numbers": 0, "queues": 3, "calls": 3, "mixed": 3}
WIDE = LONG / hypot(LONG, SHORT)  # of the diagonal


def letter_px(diagonal_in: float, distance_m: float) -> float:
    """The font size of the smallest text that must be read."""
    capital_mm = 1000 * distance_m * tan(radians(ARC_MINUTES / 60))
    return capital_mm / CAPITAL * LONG / (diagonal_in * INCH_MM * WIDE)


def rows_that_fit(layout: str, diagonal_in: float, distance_m: float) -> int:
    """Under the header and the strip; below zero when not even those fit."""
    letter = letter_px(diagonal_in, distance_m)
    return int((SHORT * (1 - 2 * MARGIN) / letter - HEADER - STRIP) // ROW)


def least_rows(layout: str) -> int:
    """With fewer a layout says nothing."""
    return LEAST_ROWS[layout]
