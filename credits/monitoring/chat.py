"""
Alerts to Slack, Discord and a hundred others, through apprise (the extra ``chat``).

``CREDITS["CHAT_SECRET_URLS"]`` names them as apprise does. No text of ours mentions anybody,
whatever an error quotes: what the services read as a mention is written otherwise.
"""

import importlib.util
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.urls import NoReverseMatch, reverse
from django.utils.crypto import salted_hmac

from credits.conf import get_settings
from credits.models import JobAlert
from credits.monitoring.hooks import Hook, HookFailed, discretion
from credits.notices.wording import clean
from credits.reports.run_log import without_addresses

# <!channel>, <@U024BE7LH>, @everyone, @here, #all: nothing of it is left.
_INERT = str.maketrans({"<": "‹", ">": "›", "@": "＠"})

_STATUS = re.compile(r"error=(\d{3})")

_STORY = {
    JobAlert.Kind.FAILED: "failed",
    JobAlert.Kind.PARTIAL: "is partial",
    JobAlert.Kind.MISSED: "was missed",
    JobAlert.Kind.LATE: "is late",
    JobAlert.Kind.RECOVERED: "works again",
}


@dataclass(frozen=True)
class Chat:
    """One place that alerts go to."""

    name: str
    """``chat 1 (slack)``: nothing of its address but the scheme."""

    url: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """What tells it from others in the database, and gives nothing away."""
        return salted_hmac("credits.chat", self.url, algorithm="sha256").hexdigest()[:16]


@dataclass(frozen=True)
class Message:
    """What is said."""

    title: str
    body: str
    kind: str = "warning"
    """How apprise colours it."""


def has_apprise() -> bool:
    """Say whether the extra ``chat`` is installed."""
    return importlib.util.find_spec("apprise") is not None


def chats() -> list[Chat]:
    """Return where alerts go."""
    return [
        Chat(f"chat {number} ({urlsplit(url).scheme})", url)
        for number, url in enumerate(get_settings().chat_secret_urls, 1)
    ]


def message_of(alert: JobAlert) -> Message:
    """Say in a few lines what happened and what to type: ids, never names or addresses."""
    kind, run = JobAlert.Kind(alert.kind), alert.run
    again = " (again)" if alert.repeats else ""
    about = f" {alert.about}" if alert.about else ""
    lines = []
    if run is not None:
        lines.append(
            f"run {run.pk}: total {run.total_count:,}, succeeded {run.success_count:,},"
            f" failed {run.error_count:,}"
        )
        if run.error_summary:
            lines.append(inert(run.error_summary))
    if kind == JobAlert.Kind.LATE:
        lines.append("It should have run by now and has not succeeded.")
    lines.append(f"since {alert.since:%Y-%m-%d %H:%M} UTC")
    if alert.command:
        lines.append(f"Go on with: {alert.command}")
    if run is not None and (link := _link(run.pk)):
        lines.append(link)
    good = kind == JobAlert.Kind.RECOVERED
    return Message(
        f"{alert.job}{about} {_STORY[kind]}{again}",
        "\n".join(lines),
        kind="success" if good else "failure" if kind == JobAlert.Kind.FAILED else "warning",
    )


def inert(text: str) -> str:
    """Return a foreign text as one line that mentions nobody and names no address."""
    return clean(without_addresses(text)).translate(_INERT)


def hook(chat: Chat, messages: list[tuple[int, Message]], told: list[tuple[int, str]]) -> Hook:
    """
    Return the hook that says these messages, in order, and stops at the first that fails.

    Args:
        messages: each with the key of its alert.
        told: what was said is added to it at once, as (key, fingerprint).
    """

    def say_all() -> None:
        for key, message in messages:
            say(chat, message)
            told.append((key, chat.fingerprint))

    return Hook(chat.name, say_all)


def say(chat: Chat, message: Message) -> None:
    """
    Say one message.

    Raises:
        HookFailed: it was not taken.
    """
    if not has_apprise():
        raise HookFailed("apprise is not installed")
    # Only here: it loads a hundred services.
    from apprise import Apprise, AppriseAsset, NotifyFormat  # noqa: PLC0415

    asset = AppriseAsset(app_id="credits", async_mode=False, secure_logging=True)
    with discretion() as overheard:
        plugin = Apprise.instantiate(chat.url, asset=asset)
        if plugin is None:
            raise HookFailed("apprise cannot read its address")
        is_taken = plugin.notify(
            body=message.body,
            title=message.title,
            notify_type=message.kind,
            body_format=NotifyFormat.TEXT,
        )
    if not is_taken:
        found = [match[1] for text in overheard if (match := _STATUS.search(text))]
        raise HookFailed(f"HTTP {found[-1]}" if found else "not taken, or no connection")


def can_read(url: str) -> bool:
    """Say whether apprise knows what this address means; it is not called."""
    from apprise import Apprise  # noqa: PLC0415

    with discretion():
        return Apprise.instantiate(url) is not None


def _link(run_id: int) -> str:
    site = get_settings().site_url.rstrip("/")
    try:
        return site and site + reverse("admin:credits_jobrun_change", args=[run_id])
    except NoReverseMatch:
        return ""
