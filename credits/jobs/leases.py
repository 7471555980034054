"""Who holds a run or a shard of one: a sign of life that is not too old, from a process that is."""

import os
import socket
from datetime import datetime, timedelta

from credits.conf import get_settings
from credits.models import JobRun, JobShard


def is_within_lease(record: JobRun | JobShard, now: datetime) -> bool:
    """Say whether the last sign of life is recent enough."""
    return now - record.heartbeat_at <= timedelta(seconds=get_settings().lease_seconds)


def is_held(record: JobRun | JobShard, *, is_ours: bool, now: datetime) -> bool:
    """
    Say whether a process that may be alive holds the record.

    Args:
        is_ours: whether it is in this process's hands, should it carry this process's id.
    """
    if not is_within_lease(record, now):
        return False
    if record.host != socket.gethostname() or record.process_id is None:
        return True
    if record.process_id == os.getpid():
        return is_ours
    try:
        os.kill(record.process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
