"""How large letters must be to be read from where people sit, and how many rows of them fit. Pure arithmetic.

    letter_px(diagonal, distance)                what the eye needs
    rows_that_fit(layout, diagonal, distance)    on a screen of 16 to 9; `least_rows(layout)` are worth a wall
    rows_in(layout, width, height, letter)       in any window

The smallest text that must be read has capitals of 20 arc minutes, at the longest viewing distance: FAA human factors,
text for changing or critical information (http://www.hf.faa.gov/Webtraining/VisualDisplays/text/size1a.htm).
Sizes are CSS pixels of a screen of 16 to 9 that is `LONG` of them wide; everything else on a wall is a multiple of the
letter. A screen of other pixels scales: static/wall/type.js reckons the same from its own window, and
static/wall/wall.css draws it. The three are held together in Chromium by tests/test_wall_layouts_browser.py.
"""

from math import hypot, radians, tan

ARC_MINUTES = 20
CAPITAL = 0.7  # of the font's size
INCH_MM = 25.4
LONG, SHORT = 1920, 1080
WIDE = LONG / hypot(LONG, SHORT)  # of the diagonal

MARGIN = 0.055  # on each side: a television may hide 5 % (overscan), and the picture moves a little against burn-in
HEAD, GAP, LABEL, NOTE, HEADING, ROW = 1.4, 0.3, 1.2, 1.25, 1.35, 1.35  # letters
PAD, TIGHT_PAD = 0.6, 0.3  # above and below the figure, its label and its note, together; letters
FIGURE_LEAST, FIGURE_MOST = 2, 4  # letters
FIGURE_SHARE = 0.14  # of the window's height, within these
BOX_LEAST = 5.85  # letters: a narrower figure has no note
SMALLEST = 1 / 36  # of the shorter side: no letter is smaller, however near people sit
IN_NUMBERS = 1 / 18.6  # the same where there are only figures
FIGURES = 6
LEAST_ROWS = {"numbers": 2, "queues": 3, "calls": 3, "mixed": 3}  # of figures; of queues or calls


def letter_px(diagonal_in: float, distance_m: float) -> float:
    """The font size of the smallest text that must be read."""
    capital_mm = 1000 * distance_m * tan(radians(ARC_MINUTES / 60))
    return capital_mm / CAPITAL * LONG / (diagonal_in * INCH_MM * WIDE)


def rows_that_fit(layout: str, diagonal_in: float, distance_m: float) -> int:
    """How many rows a screen of 16 to 9 has room for: of figures in “numbers”, else of queues or calls."""
    return rows_in(layout, LONG, SHORT, letter_px(diagonal_in, distance_m))


def least_rows(layout: str) -> int:
    """With fewer a layout is of no use: it is better refused than hung."""
    return LEAST_ROWS[layout]


def most_rows(layout: str, letter: float) -> int:
    """As many as can be seen at once, however the screen hangs: more need not be sent."""
    return max(rows_in(layout, LONG, SHORT, letter), rows_in(layout, SHORT, LONG, letter))


def rows_in(layout: str, width: float, height: float, letter: float) -> int:
    """`letter`: of a window whose longer side is `LONG`."""
    size = shown_letter(layout, width, height, letter)
    free = height * (1 - 2 * MARGIN) - (HEAD + GAP) * size
    if layout == "numbers":
        return _fits(free + GAP * size, (LABEL + FIGURE_LEAST + TIGHT_PAD + GAP) * size)
    return _fits(free - strip(width, height, size) - (GAP + HEADING) * size, ROW * size)


def shown_letter(layout: str, width: float, height: float, letter: float) -> float:
    """The letter of a window, in its own pixels. What has room for larger ones than the eye needs gets them."""
    least = min(width, height) * (IN_NUMBERS if layout == "numbers" else SMALLEST)
    return max(letter * max(width, height) / LONG, least)


def strip(width: float, height: float, letter: float) -> float:
    """The height of the four figures that never rotate: in one line, or in two on a screen that stands upright."""
    lines = 1 if width > height else 2
    tight = is_tight(width, height, letter)
    figure = min(max(FIGURE_LEAST * letter, FIGURE_SHARE * height), FIGURE_MOST * letter)
    line = (LABEL + (TIGHT_PAD if tight else PAD + NOTE)) * letter + figure
    return lines * line + (lines - 1) * GAP * letter


def is_tight(width: float, height: float, letter: float) -> bool:
    """Whether the boxes of the strip are too narrow for their notes."""
    columns = 4 if width > height else 2
    return width * (1 - 2 * MARGIN) / columns < BOX_LEAST * letter


def _fits(room: float, one: float) -> int:
    return max(0, int(room / one + 1e-6))
