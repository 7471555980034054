"""Small pieces of text and markup that several pages show: numbers, durations, badges."""

from datetime import timedelta

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from credits.models import JobRun, Notice

_RUN_TONES = {
    JobRun.Status.RUNNING: "info",
    JobRun.Status.SUCCEEDED: "good",
    JobRun.Status.PARTIAL: "warn",
    JobRun.Status.FAILED: "bad",
    JobRun.Status.INTERRUPTED: "warn",
    JobRun.Status.SKIPPED: "plain",
    JobRun.Status.MISSED: "bad",
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


def whole(number: int) -> str:
    """Return a whole number in the reader's notation, ``1,440``."""
    return number_format(number, force_grouping=True)


def signed(number: int) -> SafeString:
    """Return a change with its sign, left to right in every language."""
    if not number:
        return format_html('<bdi dir="ltr" class="credits-amount">{}</bdi>', whole(0))
    return format_html(
        '<bdi dir="ltr" class="credits-amount credits-amount--{}">{}{}</bdi>',
        "up" if number > 0 else "down",
        "+" if number > 0 else "−",
        whole(abs(number)),
    )


def duration(time: timedelta) -> str:
    """Return how long something took, ``4.2 s`` or ``3 min 20 s``."""
    seconds = max(time.total_seconds(), 0.0)
    if seconds < 60:
        return _("%(seconds)s s") % {"seconds": number_format(round(seconds, 1), decimal_pos=1)}
    minutes, rest = divmod(round(seconds), 60)
    return _("%(minutes)s min %(seconds)s s") % {"minutes": whole(minutes), "seconds": rest}


def run_badge(run: JobRun) -> SafeString:
    """Return a run's status: a word on its colour."""
    return _badge(_RUN_TONES[JobRun.Status(run.status)], run.get_status_display())


def notice_badge(notice: Notice) -> SafeString:
    """Return a notice's status: a word on its colour."""
    return _badge(_NOTICE_TONES[Notice.Status(notice.status)], notice.get_status_display())


def _badge(tone: str, word: str) -> SafeString:
    return format_html(
        '<span class="credits-badge credits-badge--{}">{}</span>', tone, word.capitalize()
    )
