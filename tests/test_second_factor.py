"""S08: codes of an app and recovery codes: each works once, for one person, and none stands in the database."""

import base64
import io
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from pytest_django import Settings

from dashboard import audit, second_factor
from dashboard import record_words as words
from dashboard.audit import Source
from dashboard.models import AuditEvent, SecondFactor, SignIn
from dashboard.rotation import SEALED, rotate
from dashboard.second_factor import accept
from queue_api.credentials import Secret
from tests.factors import Phone, by_password, enrolled, unused
from tests.takeovers import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("admin")]
COMMITS = pytest.mark.django_db(transaction=True)
HERE = Source("192.0.2.10", "abcd1234")


@pytest.fixture
def phone(supervisor: User) -> Phone:
    return enrolled(supervisor)


def kinds() -> list[str]:
    return list(AuditEvent.objects.order_by("seq").values_list("kind", flat=True))


# ── the app's codes ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("at", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_s08_codes_are_those_of_rfc_6238(at: int, code: str) -> None:
    assert second_factor.code_at(Secret(base64.b32encode(b"12345678901234567890").decode()), at // 30) == code


def test_s08_a_seed_has_160_bits_and_the_address_says_whose_it_is() -> None:
    seed = second_factor.new_seed()
    assert len(base64.b32decode(seed.reveal())) == 20
    assert seed != second_factor.new_seed()
    address = second_factor.address_for_app(seed, "sita@board.example")
    assert address.startswith("otpauth://totp/Callboard:sita%40board.example?")
    assert f"secret={seed.reveal()}" in address
    assert "issuer=Callboard" in address


@pytest.mark.parametrize(("steps", "fits"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_s08_a_clock_may_be_off_by_one_step(
    supervisor: User, phone: Phone, monkeypatch: pytest.MonkeyPatch, steps: int, fits: bool
) -> None:
    now = time.time()
    monkeypatch.setattr(second_factor, "time", SimpleNamespace(time=lambda: now))
    typed = second_factor.code_at(phone.seed, int(now) // 30 + steps)
    assert accept(supervisor, typed, HERE) is fits


def test_s08_a_code_is_accepted_once_and_none_of_before_after_it(supervisor: User, phone: Phone) -> None:
    before, now = phone.code(-1), phone.code()
    assert accept(supervisor, now, HERE)
    assert not accept(supervisor, now, HERE)
    assert not accept(supervisor, before, HERE)
    assert accept(supervisor, phone.code(1), HERE)


def test_s08_the_code_that_switched_it_on_signs_nobody_in(supervisor: User) -> None:
    seed = second_factor.new_seed()
    code = Phone(seed, []).code()
    assert second_factor.confirm(supervisor, seed, code, HERE)
    assert not accept(supervisor, code, HERE)


def test_s08_a_wrong_first_code_switches_nothing_on(supervisor: User) -> None:
    seed = second_factor.new_seed()
    assert second_factor.confirm(supervisor, seed, Phone(second_factor.new_seed(), []).code(), HERE) == []
    assert not second_factor.has(supervisor)


@pytest.mark.parametrize("typed", ["", " ", "12345", "1234567", "٣٣٣٣٣٣", "x" * 16, "x" * 5000, "\0" * 6, "000000",
                                   "A" * 16, "²²²²²²", "-" * 6])
def test_s08_nonsense_is_no_code(supervisor: User, phone: Phone, typed: str) -> None:
    SecondFactor.objects.update(last_step=2**40)  # nor is it one by chance
    assert not accept(supervisor, typed, HERE)


def test_s08_spaces_are_no_fault(supervisor: User, phone: Phone) -> None:
    code = phone.code()
    assert accept(supervisor, f" {code[:3]} {code[3:]} ", HERE)


def test_s08_a_code_is_its_own_persons(supervisor: User, observer: User, phone: Phone) -> None:
    other = enrolled(observer)
    assert not accept(observer, phone.code(), HERE)
    assert not accept(observer, phone.codes[0], HERE)
    assert accept(observer, other.code(), HERE)


# ── of many at once one ────────────────────────────────────────────────────────────────────────────
@COMMITS
@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_s08_of_eight_with_the_same_code_at_once_one_is_let_in(supervisor: User, phone: Phone, kind: str) -> None:
    typed = phone.code() if kind == "app" else phone.codes[3]
    with in_threads(8) as threads:
        tries = [threads.submit(accept, supervisor, typed, HERE) for _ in range(8)]
    assert [one.result() for one in tries].count(True) == 1


def test_s08_two_processes_that_have_both_found_it_right_do_not_both_accept_it(
    supervisor: User, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process accepts the code between this one's reading and its writing."""
    found = second_factor._step_of

    def late(seed: Secret, typed: str) -> int | None:
        step = found(seed, typed)
        SecondFactor.objects.update(last_step=step)
        return step

    monkeypatch.setattr(second_factor, "_step_of", late)
    assert not accept(supervisor, phone.code(), HERE)


# ── recovery codes ─────────────────────────────────────────────────────────────────────────────────
def test_s08_ten_recovery_codes_of_80_bits_each_work_once(supervisor: User, phone: Phone) -> None:
    assert len(set(phone.codes)) == 10
    assert all(len(base64.b32decode(code.replace("-", ""))) == 10 for code in phone.codes)
    for number, code in enumerate(phone.codes):
        assert second_factor.codes_left(supervisor) == 10 - number
        assert accept(supervisor, code, HERE)
        assert not accept(supervisor, code, HERE)
    assert second_factor.codes_left(supervisor) == 0


@pytest.mark.parametrize("typed", [str.lower, lambda code: code.replace("-", ""), lambda code: code.replace("-", " "),
                                   lambda code: f"  {code.replace('-', ' - ')}\t"])
def test_s08_a_recovery_code_may_be_typed_as_one_likes(supervisor: User, phone: Phone, typed: Any) -> None:
    assert accept(supervisor, typed(phone.codes[0]), HERE)


def test_s08_its_use_is_on_record_with_how_many_are_left(supervisor: User, phone: Phone) -> None:
    accept(supervisor, phone.codes[0], HERE)
    line = AuditEvent.objects.latest("seq")
    assert (line.kind, line.actor_name) == ("recovery-code.used", "Sita")
    assert (line.detail["left"], line.detail["address"], line.detail["session"]) == (9, "192.0.2.10", "abcd1234")


def test_s08_new_ones_make_the_earlier_ones_worthless(supervisor: User, phone: Phone) -> None:
    fresh = second_factor.new_codes(supervisor, HERE)
    assert len(fresh) == 10
    assert not accept(supervisor, phone.codes[0], HERE)
    assert accept(supervisor, fresh[0], HERE)


def test_s08_a_code_is_used_up_even_when_the_row_is_sealed_anew_meanwhile(
    supervisor: User, phone: Phone, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = second_factor._hashes
    rotates = iter([True])

    def late(factor: SecondFactor) -> list[str]:
        found = read(factor)
        if next(rotates, False):
            settings.FIELD_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_KEYS]
            assert sum(rotate(kind).renewed for kind in SEALED if kind.model is SecondFactor) == 2
        return found

    monkeypatch.setattr(second_factor, "_hashes", late)
    assert accept(supervisor, phone.codes[0], HERE)
    assert not accept(supervisor, phone.codes[0], HERE)
    assert second_factor.codes_left(supervisor) == 9


# ── who needs one ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("setting", "needs"), [("administrators", True), ("offered", False)])
def test_s08_administrators_need_one_unless_it_is_only_offered(
    admin: User, supervisor: User, settings: Settings, setting: str, needs: bool
) -> None:
    settings.SECOND_FACTOR = setting
    assert second_factor.required_of(admin) is needs
    assert second_factor.required_of(User(is_staff=True)) is needs
    assert not second_factor.required_of(supervisor)


# ── on record ──────────────────────────────────────────────────────────────────────────────────────
def test_s08_every_change_is_a_line_of_the_record_with_words(supervisor: User, phone: Phone) -> None:
    second_factor.new_codes(supervisor, HERE)
    accept(supervisor, phone.codes[0], HERE)
    second_factor.remove(supervisor, HERE)
    enrolled(supervisor)
    second_factor.reset(supervisor, "Dev Nair", HERE, actor_id=7)
    assert kinds() == ["second-factor.set", "recovery-codes.set", "second-factor.removed", "second-factor.set",
                       "second-factor.reset"]
    assert all(words.KINDS[kind] for kind in kinds())
    last = AuditEvent.objects.latest("seq")
    assert words.what_happened(last) == "Second factor reset for somebody else: Sita"
    assert last.actor_name == "Dev Nair"
    assert list(audit.problems()) == []


def test_s08_what_is_not_there_is_neither_removed_nor_on_record(supervisor: User) -> None:
    assert not second_factor.remove(supervisor, HERE)
    assert not second_factor.reset(supervisor, "Dev", HERE)
    assert second_factor.new_codes(supervisor, HERE) == []
    assert kinds() == []


def test_s08_without_a_record_nothing_is_switched_off(
    supervisor: User, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: Any, **_more: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(audit, "record", full)
    with pytest.raises(OSError, match="disk full"):
        second_factor.remove(supervisor, HERE)
    assert second_factor.has(supervisor)


# ── how it is kept ─────────────────────────────────────────────────────────────────────────────────
def test_s08_a_dump_of_the_database_tells_neither_seed_nor_codes(supervisor: User, phone: Phone) -> None:
    client = by_password(supervisor)
    unused(supervisor)
    client.post("/accounts/code/", {"code": phone.code()})
    page = client.post("/me/second-factor/", {"act": "replace", "code": phone.codes[0]}, follow=True).content.decode()
    offered = page.partition("data-key>")[2].partition("<")[0].replace(" ", "")
    assert len(offered) == 32
    out = io.StringIO()
    call_command("dumpdata", stdout=out)
    dump = out.getvalue() + json.dumps([row.get_decoded() for row in Session.objects.all()])
    raw = base64.b32decode(phone.seed.reveal())
    for secret in (phone.seed.reveal(), raw.hex(), base64.b64encode(raw).decode(), offered, *phone.codes,
                   *(code.replace("-", "") for code in phone.codes)):
        assert secret not in dump
    hashes = second_factor._hashes(SecondFactor.objects.get())
    assert not any(each in dump for each in hashes)


@pytest.mark.parametrize("what", ["seed_sealed", "codes_sealed", "user_id"])
def test_s18_what_was_moved_to_another_person_proves_nothing(
    supervisor: User, observer: User, phone: Phone, what: str
) -> None:
    """Somebody who can write to the database puts their own factor, or parts of it, in a person's place."""
    other = enrolled(observer)
    theirs, mine = SecondFactor.objects.get(user=observer), SecondFactor.objects.get(user=supervisor)
    if what == "user_id":
        SecondFactor.objects.filter(pk=mine.pk).delete()
        SecondFactor.objects.filter(pk=theirs.pk).update(user=supervisor)
    else:
        SecondFactor.objects.filter(pk=mine.pk).update(**{what: getattr(theirs, what)})
    assert not accept(supervisor, other.codes[0] if what == "codes_sealed" else other.code(), HERE)


def test_s18_it_goes_under_another_key_like_everything_sealed(
    supervisor: User, phone: Phone, settings: Settings
) -> None:
    new = Fernet.generate_key().decode()
    settings.FIELD_KEYS = [new, *settings.FIELD_KEYS]
    call_command("rotate_field_keys", stdout=io.StringIO())
    settings.FIELD_KEYS = [new]
    assert accept(supervisor, phone.code(), HERE)
    assert accept(supervisor, phone.codes[0], HERE)


def test_s29_without_its_key_nobody_comes_in_and_the_log_says_why(
    supervisor: User, phone: Phone, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    assert not accept(supervisor, phone.code(), HERE)
    assert not accept(supervisor, phone.codes[0], HERE)
    assert second_factor.codes_left(supervisor) is None
    told = [record.fields for record in caplog.records  # type: ignore[attr-defined]
            if record.getMessage() == "second factor cannot be read"]
    assert "CALLBOARD_FIELD_KEYS" in told[0]["why"]
    assert phone.seed.reveal() not in repr(told)


# ── the way out from the shell ─────────────────────────────────────────────────────────────────────
def test_the_shell_resets_it_ends_the_sign_ins_and_is_on_record(supervisor: User, phone: Phone) -> None:
    client = by_password(supervisor)
    client.post("/accounts/code/", {"code": phone.code()})
    assert client.get("/").status_code == 200
    out = io.StringIO()
    call_command("reset_second_factor", "sita", stdout=out)
    assert out.getvalue() == "The second factor of sita is off, and 1 of their browsers are signed out.\n"
    assert client.get("/").status_code == 302
    assert by_password(supervisor).get("/").status_code == 200, "the password alone"
    line = AuditEvent.objects.latest("seq")
    assert (line.kind, line.actor_name, line.detail["person"]) == ("second-factor.reset", "manage.py", "Sita")
    assert SignIn.objects.filter(why="second-factor").count() == 1


@pytest.mark.parametrize("name", ["sita", "nobody"])
def test_the_shell_says_when_there_is_nothing_to_reset(supervisor: User, name: str) -> None:
    with pytest.raises(CommandError, match=name):
        call_command("reset_second_factor", name)
    assert kinds() == []
