"""The shards of a run that several workers share, as the run's page lists them."""

from typing import Any

from django.utils.formats import localize
from django.utils.timezone import localtime

from credits.admin.cells import number
from credits.admin.showing import shard_badge
from credits.models import JobRun


def shard_rows(run: JobRun) -> list[dict[str, Any]]:
    """Return a row for each shard, in the order of their keys; none where one process did all."""
    return [
        {
            "number": number(shard.number),
            "badge": shard_badge(shard),
            "done": number(shard.total_count - shard.error_count),
            "failed": number(shard.error_count),
            "chunks": number(shard.chunk_count),
            "host": shard.host,
            "heartbeat": localize(localtime(shard.heartbeat_at)),
            "error": shard.error,
        }
        for shard in run.shards.order_by("number")
    ]
