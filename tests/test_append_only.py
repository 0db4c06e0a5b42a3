"""The record in the database itself: what is written stays as it is, and what was changed all the same is found."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper

from dashboard import audit
from dashboard.append_only import REFUSAL, TABLE
from dashboard.models import AuditEvent

pytestmark = pytest.mark.django_db
SQLITE = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's own statements")
LINES, EDITS = 12, 1000
COLUMNS = "id, seq, at, kind, actor_name, account_name, call_ref, attempt_id, detail, previous_hash, hash"


@pytest.fixture
def record(db: None) -> None:
    for number in range(LINES):
        audit.record(f"takeover.{('intent', 'sent', 'refused')[number % 3]}", actor=("Sita", "Omar")[number % 2],
                     account="Northgate", call_ref=f"1-c-{number // 3}", attempt_id=number // 3, caller_last4="5678",
                     code="1000", message="Gone – “wirklich”", tries=[{"code": "1000", "message": "Gone", "ms": 40}])


@pytest.fixture
def cursor(record: None) -> Iterator[CursorWrapper]:
    with connection.cursor() as cursor:
        yield cursor


def said() -> list[tuple[Any, ...]] | str:
    """All that the record says, ids left out: nothing reads a line by them."""
    fields = [field.attname for field in AuditEvent._meta.concrete_fields if not field.primary_key]
    try:
        return list(AuditEvent.objects.order_by("seq").values_list(*fields))
    except audit.UNREADABLE:
        return "unreadable"


def refused(work: Callable[[], object]) -> None:
    before = said()
    with pytest.raises(IntegrityError, match=REFUSAL), transaction.atomic():
        work()
    assert said() == before
    assert list(audit.problems()) == []


# ── with the triggers ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("statement", [
    f"UPDATE {TABLE} SET actor_name = 'Nobody' WHERE seq = 3", f"UPDATE {TABLE} SET hash = hash",
    f"UPDATE {TABLE} SET seq = seq + 100 WHERE seq = {LINES}", f"UPDATE {TABLE} SET id = id + 100",
    f"DELETE FROM {TABLE} WHERE seq = {LINES}", f"DELETE FROM {TABLE}",
    f"INSERT INTO {TABLE} SELECT * FROM {TABLE} WHERE seq = 3 ON CONFLICT (seq) DO UPDATE SET actor_name = 'Nobody'",
    f"INSERT INTO {TABLE} SELECT * FROM {TABLE} WHERE seq = 3 ON CONFLICT (id) DO UPDATE SET actor_name = 'Nobody'",
])
def test_a_statement_that_changes_a_line_is_refused(cursor: CursorWrapper, statement: str) -> None:
    refused(lambda: cursor.execute(statement))


def copied(changes: dict[str, str], seq: int = 3) -> str:
    """The column values of a line, some of them changed."""
    return ", ".join(changes.get(name, name) for name in COLUMNS.split(", ")) + f" FROM {TABLE} WHERE seq = {seq}"


@SQLITE
@pytest.mark.parametrize("recursive_triggers", ["ON", "OFF"])
@pytest.mark.parametrize("verb", ["REPLACE", "INSERT OR REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL"])
@pytest.mark.parametrize("changes", [
    {"actor_name": "'Nobody'"}, {"id": "NULL", "actor_name": "'Nobody'"}, {"seq": "99"},
    {"id": "'' || id", "seq": "99"}, {"id": "id + 0.0", "seq": "99"}, {"id": "NULL", "seq": "'' || seq"},
])
def test_replacing_a_line_is_refused_with_and_without_recursive_triggers(
    cursor: CursorWrapper, recursive_triggers: str, verb: str, changes: dict[str, str]
) -> None:
    cursor.execute(f"PRAGMA recursive_triggers={recursive_triggers}")
    try:
        refused(lambda: cursor.execute(f"{verb} INTO {TABLE} ({COLUMNS}) SELECT {copied(changes)}"))
    finally:
        cursor.execute("PRAGMA recursive_triggers=ON")


@SQLITE
def test_replacing_through_another_table_or_an_update_is_refused_too(cursor: CursorWrapper) -> None:
    refused(lambda: cursor.execute(f"UPDATE OR REPLACE {TABLE} SET seq = 4 WHERE seq = 3"))
    cursor.execute(f"CREATE TEMP TABLE copy AS SELECT * FROM {TABLE}")
    refused(lambda: cursor.execute(f"REPLACE INTO {TABLE} SELECT * FROM copy"))
    cursor.execute("DROP TABLE copy")


def test_the_orm_is_refused_line_by_line_and_in_bulk(record: None) -> None:
    event = AuditEvent.objects.get(seq=3)
    event.actor_name = "Nobody"
    refused(event.save)
    refused(event.delete)
    refused(AuditEvent.objects.all().delete)
    refused(lambda: AuditEvent.objects.all()._raw_delete("default"))
    refused(lambda: AuditEvent.objects.filter(seq=3).update(actor_name="Nobody"))
    refused(lambda: AuditEvent.objects.bulk_update([event], ["actor_name"]))
    refused(lambda: AuditEvent.objects.bulk_create(
        [event], update_conflicts=True, unique_fields=["seq"], update_fields=["actor_name"]))
    refused(lambda: AuditEvent.objects.update_or_create(seq=3, defaults={"actor_name": "Nobody"}))


def test_emptying_the_database_is_refused_while_a_line_is_there(record: None) -> None:
    with pytest.raises(CommandError) as refusal, transaction.atomic():
        call_command("flush", interactive=False, verbosity=0)
    assert REFUSAL in str(refusal.value.__cause__)
    assert list(audit.problems()) == []


def test_lines_are_still_added(record: None) -> None:
    audit.record("takeover.intent")
    assert AuditEvent.objects.count() == LINES + 1
    assert list(audit.problems()) == []


# ── installed and taken away ───────────────────────────────────────────────────────────────────────
@pytest.mark.django_db(transaction=True)
def test_the_migration_can_be_taken_back_and_after_all_migrations_the_triggers_are_there() -> None:
    """Also after later ones: a remade table has lost its triggers, and then that migration has to put them back."""
    audit.record("takeover.intent", actor="Sita")
    call_command("migrate", "dashboard", "0002", verbosity=0)
    AuditEvent.objects.update(actor_name="Omar")
    AuditEvent.objects.update(actor_name="Sita")
    call_command("migrate", verbosity=0)
    refused(lambda: AuditEvent.objects.update(actor_name="Omar"))


# ── 1,000 random edits ─────────────────────────────────────────────────────────────────────────────
def some(chance: random.Random) -> int:
    return chance.randint(1, LINES)


def flip_a_bit(cursor: CursorWrapper, chance: random.Random) -> None:
    column, seq = chance.choice(COLUMNS.split(", ")[2:7] + COLUMNS.split(", ")[8:]), some(chance)
    cursor.execute(f"SELECT CAST({column} AS BLOB) FROM {TABLE} WHERE seq = {seq}")
    stored = bytearray(cursor.fetchone()[0])
    stored[chance.randrange(len(stored))] ^= 1 << chance.randrange(8)
    cursor.execute(f"UPDATE {TABLE} SET {column} = CAST(%s AS TEXT) WHERE seq = {seq}", [bytes(stored)])


def change_a_field(cursor: CursorWrapper, chance: random.Random) -> None:
    column = chance.choice(COLUMNS.split(", ")[1:])
    value = chance.choice(["", "Nobody", "1000", "{}", "2026-01-01 00:00:00", "f" * 64, 7, -7, 10**15, None, "é\x00"])
    cursor.execute(f"UPDATE {TABLE} SET {column} = %s WHERE seq = {some(chance)}", [value])


def copy_a_field(cursor: CursorWrapper, chance: random.Random) -> None:
    column = chance.choice(COLUMNS.split(", ")[1:])
    cursor.execute(f"UPDATE {TABLE} SET {column} = (SELECT {column} FROM {TABLE} WHERE seq = {some(chance)}) "
                   f"WHERE seq = {some(chance)}")


def delete(cursor: CursorWrapper, chance: random.Random) -> None:
    first = some(chance)
    cursor.execute(f"DELETE FROM {TABLE} WHERE seq BETWEEN {first} AND {first + chance.choice((0, 0, 1, LINES))}")


def delete_and_close_the_gap(cursor: CursorWrapper, chance: random.Random) -> None:
    seq = some(chance)
    cursor.execute(f"DELETE FROM {TABLE} WHERE seq = {seq}")
    for later in range(seq + 1, LINES + 1):
        cursor.execute(f"UPDATE {TABLE} SET seq = seq - 1 WHERE seq = {later}")


def reorder(cursor: CursorWrapper, chance: random.Random) -> None:
    """Two lines change places, or more."""
    lines = chance.sample(range(1, LINES + 1), chance.choice((2, 2, 2, 3, LINES)))
    cursor.execute(f"UPDATE {TABLE} SET seq = seq + 1000 WHERE seq IN ({', '.join(map(str, lines))})")
    for seq, to in zip(lines, lines[1:] + lines[:1], strict=True):
        cursor.execute(f"UPDATE {TABLE} SET seq = {to} WHERE seq = {seq + 1000}")


def rewrite(cursor: CursorWrapper, chance: random.Random) -> None:
    """A line with other words and a hash that fits them; the last one excepted, where only the printed head tells."""
    event = AuditEvent.objects.get(seq=chance.randint(1, LINES - 1))
    event.actor_name = "Nobody"
    cursor.execute(f"UPDATE {TABLE} SET actor_name = %s, hash = %s WHERE seq = {event.seq}",
                   [event.actor_name, audit.line_hash(event)])


def replace(cursor: CursorWrapper, chance: random.Random) -> None:
    cursor.execute(f"REPLACE INTO {TABLE} ({COLUMNS}) SELECT {copied({'actor_name': repr('Nobody')}, some(chance))}")


def insert(cursor: CursorWrapper, chance: random.Random) -> None:
    """A line slipped in somewhere, the later ones moved on."""
    seq = some(chance)
    for later in range(LINES, seq - 1, -1):
        cursor.execute(f"UPDATE {TABLE} SET seq = seq + 1 WHERE seq = {later}")
    cursor.execute(f"INSERT INTO {TABLE} ({COLUMNS}) SELECT {copied({'id': 'NULL', 'seq': str(seq)}, seq + 1)}")


def append(cursor: CursorWrapper, chance: random.Random) -> None:
    """A line at the end, its hash fitting or not: no trigger can tell it from one of ours."""
    head = AuditEvent.objects.get(seq=LINES)
    forged = AuditEvent(seq=LINES + chance.choice((1, 1, 2, 50)), at=head.at, kind="takeover.accepted", hash="f" * 64,
                        previous_hash=chance.choice((head.hash, audit.GENESIS)))
    if chance.random() < 0.5:
        forged.hash = audit.line_hash(forged)
    forged.save(force_insert=True)


KINDS_OF_EDIT = (flip_a_bit, flip_a_bit, flip_a_bit, change_a_field, copy_a_field, delete, delete_and_close_the_gap,
                 reorder, rewrite, replace, insert, append)


def ends(edit: Callable[[CursorWrapper, random.Random], None], cursor: CursorWrapper, chance: random.Random) -> str:
    before = said()
    try:
        with transaction.atomic():
            edit(cursor, chance)
            changed, found = said() != before, list(audit.problems())
            transaction.set_rollback(True)
    except IntegrityError as refusal:
        return "refused by a trigger" if REFUSAL in str(refusal) else "refused by a constraint"
    if not changed:  # 1 instead of 1, or an escape spelled in capitals
        return "said the same"
    return "found" if found else "MISSED"


def try_edits(cursor: CursorWrapper, seed: int) -> Counter[tuple[str, str]]:
    chance, ended = random.Random(seed), Counter[tuple[str, str]]()
    while sum(ended.values()) < EDITS:
        edit = chance.choice(KINDS_OF_EDIT)
        if (end := ends(edit, cursor, chance)) != "said the same":
            ended[edit.__name__, end] += 1
    return ended


@SQLITE
@pytest.mark.usefixtures("in_the_hands_of_who_owns_the_file")
def test_a_thousand_random_edits_without_the_triggers_are_found(cursor: CursorWrapper) -> None:
    ended = try_edits(cursor, seed=90)
    assert {end for _, end in ended} == {"found", "refused by a constraint"}, ended
    assert sum(count for (_, end), count in ended.items() if end == "found") > EDITS * 0.8
    assert list(audit.problems()) == []


@SQLITE
def test_a_thousand_random_edits_with_the_triggers_are_refused(cursor: CursorWrapper) -> None:
    ended = try_edits(cursor, seed=91)
    assert {end for name, end in ended if name != "append"} == {"refused by a trigger"}, ended
    assert {end for name, end in ended if name == "append"} == {"found"}, ended
    assert list(audit.problems()) == []
