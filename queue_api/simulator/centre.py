"""The simulated call centre's fixed part: its queues and the agents who answer them."""

import random

import msgspec

_FIRST = (
    "Aarav Meera Kabir Leela Rohan Priya Imran Nisha Dev Farah Arjun Kavya Vikram Sana Tariq Maya "
    "Omar Divya Grace Tomas Yusuf Elena Noah Ingrid Samuel Wanjiru Pablo Hana Luca Amara Felix Zara"
)
_LAST = (
    "Sharma Iyer Khan Nair Gupta Fernandes Joshi Banerjee Reddy Pillai Kulkarni Das Mehta Bose Chawla Rangan "
    "Silva Novak Mensah Haddad Larsen Costa Mwangi Petrov Sato Weber Dlamini Moreau Quinn Torres Ali Singh"
)
FIRST_NAMES, LAST_NAMES = _FIRST.split(), _LAST.split()
FIRST_AGENT_ID = 2001


class QueueInfo(msgspec.Struct, frozen=True):
    """A queue as DeepCall would name it, the number its callers dial, and its share of the calls."""

    queue_id: str
    name: str
    called_number: str
    weight: int


class Agent(msgspec.Struct, frozen=True):
    """An agent and the ids of the queues they answer."""

    agent_id: str
    name: str
    queue_ids: frozenset[str]


QUEUES = (
    QueueInfo("301", "Support", "+918045670301", 4),
    QueueInfo("302", "Sales", "+918045670302", 3),
    QueueInfo("303", "Billing", "+918045670303", 2),
    QueueInfo("304", "Renewals", "+918045670304", 1),
)


def any_queue(chance: random.Random) -> QueueInfo:
    """One queue, the busy ones more often."""
    return chance.choices(QUEUES, [queue.weight for queue in QUEUES])[0]


def any_name(chance: random.Random) -> str:
    """A caller's name."""
    return f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}"


def hire(n: int, chance: random.Random) -> Agent:
    """The n-th agent (from 0), in one or two queues."""
    return hire_for(n, any_queue(chance).queue_id, QUEUES[n % len(QUEUES)].queue_id)


def hire_for(n: int, *queue_ids: str) -> Agent:
    """The n-th agent (from 0), in the queues named."""
    first = FIRST_NAMES[n % len(FIRST_NAMES)]
    # One place further each round: the first 1,024 names are all different.
    last = LAST_NAMES[(n + n // len(FIRST_NAMES)) % len(LAST_NAMES)]
    return Agent(str(FIRST_AGENT_ID + n), f"{first} {last}", frozenset(queue_ids))
