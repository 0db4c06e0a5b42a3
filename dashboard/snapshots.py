"""Boards in the database: packed, compressed, sealed. Blocking: run off the loop."""

import msgspec

from dashboard.board import Board
from dashboard.models import BoardSnapshot, Queue
from queue_api.credentials import seal_bytes, unseal_bytes
from queue_api.models import Account

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Board)


def pack(board: Board) -> bytes:
    return _encoder.encode(board)


def unpack(data: bytes) -> Board:
    """Raises msgspec.DecodeError for anything that is not a board of this version."""
    return _decoder.decode(data)


def context_of(account: Account) -> str:
    """What an account's kept board is bound to."""
    return f"board:{account.uid}"


def save_board(board: Board, account: Account) -> bool:
    """Whether it was kept: an older fence never overwrites a newer one."""
    values = {"fence": board.fence, "seq": board.seq, "heard_at": board.heard_at,
              "payload": seal_bytes(pack(board), context_of(account))}
    mine = BoardSnapshot.objects.filter(account=account, fence__lte=board.fence)
    if mine.update(**values):
        return True
    if not Account.objects.filter(pk=account.pk).exists():  # deleted under a poller that is about to end
        return False
    _, created = BoardSnapshot.objects.get_or_create(account=account, defaults=values)
    return created


def load_board(account: Account) -> Board | None:
    """The kept board, or None when there is none or it was written by another version."""
    row = BoardSnapshot.objects.filter(account=account).first()
    if row is None:
        return None
    try:
        return unpack(unseal_bytes(bytes(row.payload), context_of(account)))
    except (msgspec.DecodeError, ValueError):
        return None


def note_queues(account: Account, names: dict[str, str]) -> int:
    """Makes rows for queues seen for the first time, so that an administrator can give them to people. How many."""
    rows = [Queue(account=account, key=key, name=name[:120]) for key, name in names.items()]
    Queue.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)
