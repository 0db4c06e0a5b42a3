"""The record of takeovers: chained lines, and what `verify_audit` says when one was touched."""

import itertools
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F

from dashboard import audit, generation
from dashboard.models import AuditEvent, Generation
from tests.takeovers import in_threads

pytestmark = pytest.mark.django_db
TOUCHED = pytest.mark.usefixtures("in_the_hands_of_who_owns_the_file")
LINES = 5


@pytest.fixture
def record(db: None) -> list[AuditEvent]:
    """Five lines of two people."""
    return [audit.record(f"takeover.step-{number}", actor=("Sita", "Omar")[number % 2], account="Northgate",
                         call_ref=f"1-c-{number}", attempt_id=number, code="1000", message="Gone – “wirklich”")
            for number in range(LINES)]


def verified() -> tuple[int, str]:
    """`verify_audit`'s exit code and all that it prints."""
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_audit", stdout=out, stderr=out)
    return int(ended.value.code or 0), out.getvalue()


# ── in order ───────────────────────────────────────────────────────────────────────────────────────
def test_an_empty_record_is_in_order() -> None:
    assert verified() == (0, "0 lines, head -: in order\n")


def test_an_untouched_record_is_in_order_and_its_head_printed(record: list[AuditEvent]) -> None:
    assert list(audit.problems()) == []
    assert verified() == (0, f"5 lines, head {record[-1].hash}: in order\n")


def test_each_line_holds_the_hash_of_the_one_before(record: list[AuditEvent]) -> None:
    lines = list(AuditEvent.objects.order_by("seq"))
    assert [line.seq for line in lines] == [1, 2, 3, 4, 5]
    assert lines[0].previous_hash == audit.GENESIS
    assert all(after.previous_hash == before.hash for before, after in itertools.pairwise(lines))
    assert len({line.hash for line in lines}) == LINES


def test_what_was_rolled_back_leaves_no_gap(record: list[AuditEvent]) -> None:
    with transaction.atomic():
        audit.record("takeover.intent")
        transaction.set_rollback(True)
    audit.record("takeover.intent")
    assert verified()[0] == 0
    assert AuditEvent.objects.count() == LINES + 1


def test_a_line_written_while_the_record_is_read_is_no_gap(
    record: list[AuditEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    current = generation.current

    def meanwhile() -> dict[str, int]:
        audit.record("takeover.intent")
        return current()

    monkeypatch.setattr(audit, "current", meanwhile)
    assert list(audit.problems()) == []


@pytest.mark.django_db(transaction=True)
def test_lines_written_at_the_same_instant_are_one_chain() -> None:
    def write(writer: int) -> None:
        for number in range(10):
            audit.record("takeover.intent", actor=f"writer {writer}", number=number)

    with in_threads(8) as pool:
        for job in [pool.submit(write, writer) for writer in range(8)]:
            job.result()
    assert verified()[0] == 0
    assert AuditEvent.objects.count() == 80
    for writer in range(8):
        mine = AuditEvent.objects.filter(actor_name=f"writer {writer}").order_by("seq")
        assert [line.detail["number"] for line in mine] == list(range(10))


# ── touched ────────────────────────────────────────────────────────────────────────────────────────
@TOUCHED
@pytest.mark.parametrize(("field", "value"), [
    ("kind", "takeover.accepted"), ("actor_name", "Omar."), ("account_name", ""), ("call_ref", "1-c-9"),
    ("attempt_id", 99), ("attempt_id", None), ("detail", {"code": "1001", "message": "Gone"}), ("detail", {}),
    ("hash", "f" * 64), ("previous_hash", "f" * 64), ("seq", 77),
])
@pytest.mark.parametrize("line", [1, 3, 5])
def test_a_changed_field_is_found(record: list[AuditEvent], field: str, value: object, line: int) -> None:
    AuditEvent.objects.filter(seq=line).update(**{field: value})
    code, said = verified()
    assert code == 1
    assert "NOT in order" in said
    assert f"line {line}" in said


@TOUCHED
def test_a_moment_moved_by_a_microsecond_is_found(record: list[AuditEvent]) -> None:
    event = AuditEvent.objects.get(seq=2)
    AuditEvent.objects.filter(seq=2).update(at=event.at.replace(microsecond=(event.at.microsecond + 1) % 1_000_000))
    assert verified()[0] == 1


@TOUCHED
@pytest.mark.parametrize("line", range(1, LINES + 1))
def test_a_removed_line_is_found_the_last_included(record: list[AuditEvent], line: int) -> None:
    AuditEvent.objects.filter(seq=line).delete()
    code, said = verified()
    assert code == 1
    assert f"line {line} is missing" in said or f"ends at line {LINES - 1}, but {LINES} were written" in said


@TOUCHED
def test_a_removed_line_is_found_though_the_others_moved_up(record: list[AuditEvent]) -> None:
    AuditEvent.objects.filter(seq=2).delete()
    for seq in (3, 4, 5):
        AuditEvent.objects.filter(seq=seq).update(seq=F("seq") - 1)
    Generation.objects.filter(name=generation.AUDIT).update(value=LINES - 1)
    assert verified()[0] == 1


@TOUCHED
@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(range(1, LINES + 1), 2)))
def test_two_lines_that_changed_places_are_found(record: list[AuditEvent], first: int, second: int) -> None:
    for seq, to in ((first, 999), (second, first), (999, second)):
        AuditEvent.objects.filter(seq=seq).update(seq=to)
    assert verified()[0] == 1


def test_a_line_slipped_in_is_found(record: list[AuditEvent]) -> None:
    forged = AuditEvent(seq=LINES + 1, at=record[0].at, kind="takeover.accepted", previous_hash=record[-1].hash)
    forged.hash = audit.line_hash(forged)
    forged.save()
    code, said = verified()
    assert code == 1
    assert f"ends at line {LINES + 1}, but {LINES} were written" in said


@TOUCHED
def test_a_line_rewritten_with_a_fitting_hash_breaks_the_next(record: list[AuditEvent]) -> None:
    event = AuditEvent.objects.get(seq=3)
    event.actor_name = "Nobody"
    event.hash = audit.line_hash(event)
    event.save()
    code, said = verified()
    assert code == 1
    assert "line 4 does not follow from line 3" in said


@TOUCHED
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL stores no text that is none")
@pytest.mark.parametrize(("field", "value"), [
    ("actor_name", "CAST(X'ff53' AS TEXT)"), ("hash", "CAST(X'ff53' AS TEXT)"), ("kind", "X'ff53'"),
    ("at", "'some time'"), ("at", "'2026-13-32 00:00:00'"), ("seq", "'five'"),
])
def test_a_line_that_cannot_be_read_any_more_is_found(record: list[AuditEvent], field: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints=ON")
        cursor.execute(f"UPDATE dashboard_auditevent SET {field} = {value} WHERE seq = {LINES}")
        cursor.execute("PRAGMA ignore_check_constraints=OFF")
    code, said = verified()
    assert code == 1
    assert "cannot be read" in said or "was changed" in said
