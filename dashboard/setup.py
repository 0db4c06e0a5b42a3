"""The way from an empty database to the first live call: what is done, what is missing, and where it is done.

    answered, mapped, supervised … : facts -> Step     pure
    steps(now)                                         reads the facts: database, and this process's mirror
"""

from collections.abc import Sequence

import msgspec
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard import second_factor
from dashboard.access import TAKE_OVER, WATCH, display_name, given_to, may_set_up, seats_of
from dashboard.board import Board
from dashboard.mirror import Card, Health, mirror
from dashboard.models import Queue
from dashboard.roles import administrators
from dashboard.words import feed_trouble
from queue_api.calls import CallState
from queue_api.models import Account

PEOPLE = 20

Text = Promise | str


class Link(msgspec.Struct, frozen=True):
    address: str
    text: Text


class Step(msgspec.Struct, frozen=True):
    """`says`: what is so, or what is missing; `waiting`: it will change by itself, so the page looks again."""

    name: str
    title: Text
    done: bool
    says: tuple[Text, ...] = ()
    links: tuple[Link, ...] = ()
    waiting: bool = False


class Feed(msgspec.Struct, frozen=True):
    """One enabled account as this process sees it. `queues`: names of those seen before, newest list apart."""

    pk: int
    name: str
    board: Board | None
    health: Health
    queues: tuple[str, ...] = ()


class Person(msgspec.Struct, frozen=True):
    pk: int
    name: str
    has_queues: bool
    may_take_over: bool

    @property
    def complete(self) -> bool:
        return self.has_queues and self.may_take_over


def steps(administrator: User, now: int) -> tuple[Step, ...]:
    accounts = list(Account.objects.all())
    feeds = [_feed(account, now) for account in accounts if account.enabled]
    return (
        looked_after(administrator), connected(accounts), answered(feeds, now), mapped(feeds),
        supervised(_people(), bool(feeds)),
    )


def progress(user: User, now: int) -> tuple[int, int] | None:
    """(steps done, steps) for who may set up while some are left; None for anybody else, and afterwards."""
    if not may_set_up(user):
        return None
    taken = steps(user, now)
    done = sum(step.done for step in taken)
    return None if done == len(taken) else (done, len(taken))


# ── the facts ──────────────────────────────────────────────────────────────────────────────────────
def _feed(account: Account, now: int) -> Feed:
    card = Card(pk=account.pk, name=account.name, interval_s=account.poll_interval_s)
    queues = Queue.objects.filter(account=account).order_by("name").values_list("name", flat=True)[:5]
    return Feed(account.pk, account.name, mirror.boards.get(account.pk), mirror.health(card, now), tuple(queues))


def _people() -> list[Person]:
    """Those who could be supervisors, as the doors see them; the first that is complete ends the search."""
    found: list[Person] = []
    for user in User.objects.filter(is_active=True).exclude(pk__in=administrators()).order_by("pk")[:PEOPLE]:
        found.append(Person(user.pk, display_name(user), bool(given_to(user, seats_of(user))),
                            user.has_perms([WATCH, TAKE_OVER])))
        if found[-1].complete:
            break
    return found


# ── the steps ──────────────────────────────────────────────────────────────────────────────────────
def looked_after(administrator: User) -> Step:
    """Done with a second factor only where administrators need one: the pages of the other steps ask for it."""
    title, name = gettext_lazy("An administrator"), display_name(administrator)
    if not second_factor.required_of(administrator) or second_factor.has(administrator):
        return Step("administrator", title, True, (_("%(name)s, signed in now.") % {"name": name},))
    return Step("administrator", title, False, (_(
        "%(name)s, signed in now, with a password alone. The admin site asks for a second factor, too: a code from an "
        "authenticator app on a phone.") % {"name": name},), (
        Link(reverse("own-second-factor", query={"next": reverse("setup")}), _("Switch on the second factor")),))


def connected(accounts: Sequence[Account]) -> Step:
    add = Link(reverse("admin:queue_api_account_add"), gettext_lazy("Add an account"))
    names = [account.name for account in accounts if account.enabled]
    if names:
        return _account_step(True, ", ".join(names))
    if accounts:
        return _account_step(False, _("%(name)s is switched off: tick “enabled”.") % {"name": accounts[0].name},
                             _change(accounts[0].pk, accounts[0].name))
    return _account_step(False, _(
        "None yet. You need the base URL of your DeepCall and its credentials: a session id (ssid), or a user id with "
        "its token. Ask DeepCall’s support if you have neither. “Save and test connection” says what came."), add)


def _account_step(done: bool, says: Text, *links: Link) -> Step:
    return Step("account", gettext_lazy("Your DeepCall account"), done, (says,), links)


def answered(feeds: Sequence[Feed], now: int) -> Step:
    title = gettext_lazy("DeepCall answers")
    if not feeds:
        return Step("answer", title, False, (_("Comes after the account."),))
    done = any(_answers(feed) for feed in feeds)
    lines = tuple(_("%(name)s: %(what)s") % {"name": feed.name, "what": _answer(feed, now)} for feed in feeds)
    links = () if done else tuple(
        Link(reverse("admin:queue_api_account_change", args=[feed.pk]), _("Correct and test %(name)s") % {
            "name": feed.name}) for feed in feeds)
    return Step("answer", title, done, lines, links, waiting=not done)


def _answers(feed: Feed) -> bool:
    return feed.health.state in ("fresh", "incomplete") or _unnamed(feed) > 0


def _awaited(feed: Feed) -> bool:
    """The poller begins within seconds of saving; until then there is nothing to say against it."""
    return feed.board is None or (feed.board.heard_at is None and feed.board.feed.health == "never")


def _unnamed(feed: Feed) -> int:
    """Rows of a newest list that could not be used because none of them names a call."""
    return feed.board.feed.unnamed if feed.board and feed.health.state == "failing" else 0


def _answer(feed: Feed, now: int) -> Text:
    if feed.board is None or _awaited(feed):
        return _("no answer yet. Callboard asks within seconds of saving.")
    if _unnamed(feed):
        return _("%(rows)s rows came.") % {"rows": _unnamed(feed)}
    if not _answers(feed) or feed.board.heard_at is None:
        return str(feed_trouble(feed.board, feed.health.state, feed.health.hop))
    return _("%(rows)s rows came %(seconds)s s ago.") % {
        "rows": feed.board.feed.received, "seconds": max(0, (now - feed.board.heard_at) // 1000)}


def mapped(feeds: Sequence[Feed]) -> Step:
    """Whether DeepCall's rows are read as calls: its field names are not documented, and each centre's may differ."""
    title = gettext_lazy("Its rows are read as calls")
    heard = [feed for feed in feeds if _answers(feed)]
    if not heard:
        return Step("mapping", title, False, (_("Comes after the first answer."),))
    done = any(_is_mapped(feed) for feed in heard)
    lines = tuple(_("%(name)s: %(what)s") % {"name": feed.name, "what": " ".join(_read(feed))} for feed in heard)
    links = tuple(
        Link(reverse("admin:queue_api_account_inspect", args=[feed.pk]), _("Inspect live rows of %(name)s") % {
            "name": feed.name}) for feed in heard)
    return Step("mapping", title, done, lines, links, waiting=not done)


def _is_mapped(feed: Feed) -> bool:
    if _unnamed(feed) or feed.board is None:
        return False
    states = {live.call.state for live in feed.board.calls.values()}
    return bool(states - {CallState.UNKNOWN}) or bool(not states and feed.queues)


def _read(feed: Feed) -> list[str]:
    if _unnamed(feed) or feed.board is None:
        return [_("none of %(rows)s rows is read as a call. DeepCall uses field names that Callboard does not know. "
                  "Say which is which:") % {"rows": _unnamed(feed)}]
    told, calls = feed.board.feed, [live.call for live in feed.board.calls.values()]
    if not calls:
        return [_("no call is live now. Calls have been read before, in %(queues)s.") % {
            "queues": ", ".join(feed.queues)} if feed.queues else _(
                "the list is empty. Wait for the first call, or make a test call.")]
    lines = [_("%(calls)s of %(rows)s rows are read as calls.") % {
        "calls": told.received - told.unusable - told.duplicates, "rows": told.received}]
    if told.unusable:
        lines.append(_("%(count)s rows have no identity and are left out.") % {"count": told.unusable})
    if unknown := sum(call.state is CallState.UNKNOWN for call in calls):
        lines.append(_("%(count)s calls have a state word that is in no table: their state shows as unknown.") % {
            "count": unknown})
    if not any(call.queue_key for call in calls):
        lines.append(_("No call names its queue, so only people with all queues would see them."))
    return lines


def supervised(people: Sequence[Person], has_account: bool) -> Step:
    title = gettext_lazy("A first supervisor")
    add = Link(reverse("admin:auth_user_add"), gettext_lazy("Add a person"))
    if ready := next((person for person in people if person.complete), None):
        return Step("supervisor", title, True, (_("%(name)s has queues and may take over calls.") % {
            "name": ready.name},))
    if not people:
        return Step("supervisor", title, False, (_(
            "Nobody yet but you and other administrators. Add a person with the role Supervisor; on the page that "
            "follows add a seat with its queues."),), (add,) if has_account else ())
    lines = tuple(_missing(person) for person in people[:5])
    links = tuple(Link(reverse("admin:auth_user_change", args=[person.pk]), _("Open %(name)s") % {"name": person.name})
                  for person in people[:5])
    return Step("supervisor", title, False, lines, (*links, add))


def _missing(person: Person) -> Text:
    if person.has_queues:
        return _("%(name)s has queues but may not take over calls: give the role Supervisor.") % {"name": person.name}
    if person.may_take_over:
        return _("%(name)s may take over calls but has no queues: add a seat with its queues.") % {"name": person.name}
    return _("%(name)s has no queues and may not take over calls: give the role Supervisor, and add a seat with its "
             "queues.") % {"name": person.name}


def _change(pk: int, name: str) -> Link:
    return Link(reverse("admin:queue_api_account_change", args=[pk]), _("Open %(name)s") % {"name": name})
