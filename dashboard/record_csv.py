"""The record as a CSV that opens in a spreadsheet as what it says, and as nothing else."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice

from django.http import HttpResponse
from django.utils import timezone

MOST_LINES = 50_000
BOM = "\ufeff"  # Excel takes the file for UTF-8 only with it

# What a spreadsheet may take for a formula: at the start of a cell, and where one that splits at ; or at a line break
# would let a cell start. Names and DeepCall's words come from outside; so may a number in them, which begins with +.
_BLANK = r"[\s\u200b\ufeff\x00]*"
_FORMULA = re.compile(rf"(?:^|(?<=[;\t\r\n]))(?={_BLANK}[=+\-@＝＋－＠])|^(?=[\t\r\n])")


def as_text(cell: str) -> str:
    return _FORMULA.sub("'", cell)


def csv_file(name: str, head: Iterable[str], rows: Iterator[Iterable[object]], day: date | None = None) -> HttpResponse:
    """Built in memory; named after `day`, else today. When there is more than fits, the file's name says so."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([as_text(title) for title in head])
    for row in islice(rows, MOST_LINES):
        writer.writerow([as_text("" if cell is None else str(cell)) for cell in row])
    cut = f"-first-{MOST_LINES}-only" if next(rows, None) is not None else ""
    return HttpResponse(BOM + text.getvalue(), content_type="text/csv; charset=utf-8", headers={
        "Content-Disposition": f'attachment; filename="{name}-{day or timezone.now():%Y-%m-%d}{cut}.csv"'})
