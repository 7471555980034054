"""What runs and notices look like: how long, and how they ended."""

from datetime import timedelta

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from credits.admin.cells import number
from credits.models import JobRun, JobShard, Notice

_RUN_TONES = {
    JobRun.Status.RUNNING: "info",
    JobRun.Status.SUCCEEDED: "good",
    JobRun.Status.PARTIAL: "warn",
    JobRun.Status.FAILED: "bad",
    JobRun.Status.INTERRUPTED: "warn",
    JobRun.Status.SKIPPED: "plain",
    JobRun.Status.MISSED: "bad",
}

_SHARD_TONES = {
    JobShard.Status.PENDING: "plain",
    JobShard.Status.RUNNING: "info",
    JobShard.Status.DONE: "good",
    JobShard.Status.FAILED: "bad",
}

_NOTICE_TONES = {
    Notice.Status.PENDING: "plain",
    Notice.Status.SENDING: "info",
    Notice.Status.SENT: "good",
    Notice.Status.DELIVERED: "good",
    Notice.Status.BOUNCED: "bad",
    Notice.Status.COMPLAINED: "bad",
    Notice.Status.PARKED: "warn",
    Notice.Status.SUPPRESSED: "plain",
    Notice.Status.FAILED: "bad",
}


def duration(time: timedelta) -> str:
    """Return how long something took, ``4.2 s`` or ``3 min 20 s``."""
    seconds = max(time.total_seconds(), 0.0)
    if seconds < 60:
        return _("%(seconds)s s") % {"seconds": f"{seconds:.1f}"}
    minutes, rest = divmod(round(seconds), 60)
    return _("%(minutes)s min %(seconds)s s") % {"minutes": number(minutes), "seconds": rest}


def run_badge(run: JobRun) -> SafeString:
    """Return a run's status: a word on its colour."""
    return _badge(_RUN_TONES[JobRun.Status(run.status)], run.get_status_display())


def shard_badge(shard: JobShard) -> SafeString:
    """
    Return a shard's status: a word on its colour.

    One that was open when its run ended, as when the run was taken over, was given up: nobody
    takes it any more, and its row says no more than how it was left.
    """
    is_open = shard.status in {JobShard.Status.PENDING, JobShard.Status.RUNNING}
    if is_open and shard.run.status != JobRun.Status.RUNNING:
        return _badge("warn", _("given up"))
    return _badge(_SHARD_TONES[JobShard.Status(shard.status)], shard.get_status_display())


def notice_badge(notice: Notice) -> SafeString:
    """Return a notice's status: a word on its colour."""
    return _badge(_NOTICE_TONES[Notice.Status(notice.status)], notice.get_status_display())


def _badge(tone: str, word: str) -> SafeString:
    return format_html(
        '<span class="credits-badge credits-badge--{}">{}</span>', tone, word.capitalize()
    )
