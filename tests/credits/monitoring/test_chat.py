"""credits.monitoring.chat: alerts as Slack and Discord get them."""

import pytest

from credits.models import JobAlert, JobRun
from credits.monitoring import chat
from credits.monitoring.chat import Chat, Message, inert, message_of, say
from credits.monitoring.hooks import HookFailed
from tests.factories import MARCH, make_run

EVIL = "<!channel> <!here|x> !channel> @everyone @here <@U024BE7LH> <@&99> ops@example.com\n\x1b[2J"


def make_alert(**fields) -> JobAlert:
    return JobAlert(
        **{
            "job": "expire_credits",
            "kind": "failed",
            "command": "manage.py expire_credits",
            "since": MARCH,
        }
        | fields
    )


class TestMessage:
    def test_says_what_happened_and_what_to_type(self):
        run = JobRun(pk=51, total_count=1440, success_count=1438, error_count=2)
        run.error_summary = "2 failed; the first with: integer out of range"

        message = message_of(make_alert(kind="partial", run=run))

        assert message.title == "expire_credits is partial"
        assert message.body.splitlines() == [
            "run 51: total 1,440, succeeded 1,438, failed 2",
            "2 failed; the first with: integer out of range",
            "since 2026-03-01 00:01 UTC",
            "Go on with: manage.py expire_credits",
            "https://homezy.example/admin/credits/jobrun/51/change/",
        ]

    @pytest.mark.parametrize(
        ("fields", "title", "kind"),
        [
            ({"kind": "failed"}, "expire_credits failed", "failure"),
            ({"kind": "failed", "repeats": 2}, "expire_credits failed (again)", "failure"),
            (
                {"kind": "late", "about": "2026-03-01"},
                "expire_credits 2026-03-01 is late",
                "warning",
            ),
            ({"kind": "recovered"}, "expire_credits works again", "success"),
        ],
    )
    def test_has_a_title_and_a_colour(self, fields, title, kind):
        message = message_of(make_alert(**fields))

        assert (message.title, message.kind) == (title, kind)

    def test_quotes_an_error_that_mentions_nobody(self):
        quoted = inert(EVIL)

        assert not {"<", ">", "@", "\n", "\x1b"} & set(quoted)
        assert "example.com" not in quoted


class TestSay:
    """Over real HTTP: the services' own addresses are bent to the loopback."""

    message = Message("expire_credits failed", f"run 7: {inert(EVIL)}")

    def test_posts_to_slack_without_a_mention(self, listener, monkeypatch):
        monkeypatch.setattr("apprise.plugins.slack.NotifySlack.webhook_url", listener.url())

        say(Chat("chat", f"slack://T{'A' * 8}/B{'B' * 8}/{'c' * 24}"), self.message)

        (heard,) = listener.heard
        assert "run 7:" in heard.body
        assert "expire_credits failed" in heard.body
        assert "<!" not in heard.body
        assert "<@" not in heard.body
        assert "@" not in heard.body

    def test_posts_to_discord_without_a_mention(self, listener, monkeypatch):
        monkeypatch.setattr("apprise.plugins.discord.NotifyDiscord.notify_url", listener.url())

        say(Chat("chat", f"discord://{'1' * 18}/{'t' * 64}"), self.message)

        (heard,) = listener.heard
        assert "run 7:" in heard.document["content"]
        assert "@" not in heard.document["content"]

    @pytest.mark.parametrize(
        ("status", "problem"), [(401, "HTTP 401"), (404, "HTTP 404"), (500, "HTTP 500")]
    )
    def test_says_how_it_was_refused(self, listener, status, problem):
        listener.status = status

        with pytest.raises(HookFailed, match=f"^{problem}$"):
            say(Chat("chat", f"{listener.url('json')}/SECRET"), self.message)

    def test_says_that_nobody_is_there(self, unused_tcp_port_url):
        with pytest.raises(HookFailed, match="^not taken, or no connection$"):
            say(Chat("chat", unused_tcp_port_url), self.message)

    @pytest.fixture
    def unused_tcp_port_url(self) -> str:
        # Nobody listens on the discard port.
        return "json://127.0.0.1:9/SECRET"

    def test_refuses_an_address_that_apprise_cannot_read(self):
        with pytest.raises(HookFailed, match="^apprise cannot read its address$"):
            say(Chat("chat", "nothing://SECRET"), self.message)

    def test_needs_apprise(self, monkeypatch):
        monkeypatch.setattr(chat, "has_apprise", lambda: False)

        with pytest.raises(HookFailed, match="^apprise is not installed$"):
            say(Chat("chat", "slack://SECRET"), self.message)


@pytest.mark.django_db
class TestChats:
    def test_are_named_without_their_addresses(self, credits):
        credits(CHAT_SECRET_URLS=["slack://SECRET/B/C", "json://host/SECRET"])

        found = chat.chats()

        assert [it.name for it in found] == ["chat 1 (slack)", "chat 2 (json)"]
        assert "SECRET" not in repr(found)
        assert len({it.fingerprint for it in found}) == 2

    def test_an_alert_names_the_run_that_is_recorded(self):
        run = make_run(error_summary="duplicate key (email)=(aisha@example.com)")

        assert "aisha" not in message_of(make_alert(run=run)).body
