"""Try every channel that alerts go over, for whoever sets them up."""

from dataclasses import dataclass

from credits.conf import get_settings
from credits.monitoring import chat, heartbeat, hooks, sentry
from credits.monitoring.chat import Chat, Message
from credits.monitoring.hooks import Hook
from credits.notices.staging import operators

_MESSAGE = Message(
    "A test of credits",
    "If you can read this, alerts about the jobs arrive here. Nothing has happened.",
    kind="info",
)


@dataclass(frozen=True)
class Channel:
    """How one channel did; nothing in it is secret."""

    name: str
    note: str
    problem: str | None = None


def try_all() -> list[Channel]:
    """Send a test over every channel that is set up; return what became of each."""
    calls = [_chat_hook(it) for it in chat.chats()] + heartbeat.trial()
    answers = hooks.call_all(calls)
    found = [_mail(), *(Channel(it.name, "taken", it.problem) for it in answers)]
    if get_settings().sentry_crons:
        found.append(_sentry())
    return found


def _chat_hook(it: Chat) -> Hook:
    return Hook(it.name, lambda: chat.say(it, _MESSAGE))


def _mail() -> Channel:
    if not (known := operators()):
        problem = 'nobody hears of runs: fill CREDITS["ADMIN_RECIPIENTS"] or ADMINS'
        return Channel("mail", "", problem)
    people = "1 operator" if len(known) == 1 else f"{len(known)} operators"
    # Not --admins: CREDITS["ADMIN_RECIPIENTS"] may name others than ADMINS, or all there are.
    return Channel("mail", f"{people}; try with manage.py sendtestemail {' '.join(known)}")


def _sentry() -> Channel:
    problem = None
    if not sentry.has_sentry():
        problem = "sentry-sdk is not installed"
    elif not sentry.is_active():
        problem = "sentry_sdk.init was not called with an address"
    return Channel("sentry", "set up; the next run checks in", problem)
