"""credits.notices.bounces: a full mailbox is not a wrong address."""

from typing import Any

import pytest

from credits.notices.bounces import is_hard


class TestIsHard:
    @pytest.mark.parametrize(
        ("service", "reason", "document", "hard"),
        [
            ("Mandrill", None, {"event": "hard_bounce"}, True),
            ("Mandrill", None, {"event": "soft_bounce"}, False),
            ("Mandrill", None, {"event": "reject"}, False),
            ("SendGrid", None, {"event": "bounce", "type": "bounce"}, True),
            ("SendGrid", None, {"event": "bounce", "type": "blocked"}, False),
            ("SendGrid", "bounced", {"event": "dropped", "reason": "Bounced Address"}, True),
            ("SendGrid", "unsubscribed", {"event": "dropped"}, False),
            ("Mailjet", "bounced", {"event": "bounce", "hard_bounce": True}, True),
            ("Mailjet", "bounced", {"event": "bounce", "hard_bounce": False}, False),
            ("Mailjet", "blocked", {"event": "blocked", "hard_bounce": True}, False),
            ("MailerSend", "bounced", {"data": {"type": "hard_bounced"}}, True),
            ("MailerSend", "bounced", {"data": {"type": "soft_bounced"}}, False),
            ("SparkPost", "bounced", {"msys": {"message_event": {"bounce_class": "30"}}}, True),
            ("SparkPost", "bounced", {"msys": {"message_event": {"bounce_class": "22"}}}, False),
            ("SparkPost", "invalid", {"msys": {"message_event": {"bounce_class": "10"}}}, True),
            ("SendinBlue", "bounced", {"event": "soft_bounce"}, False),
            ("Postmark", "blocked", {"Type": "Blocked"}, False),
            ("Postmark", "bounced", {"SuppressionReason": "HardBounce"}, True),
            ("Resend", "bounced", {"data": {"bounce": {"message": "a hard bounce message"}}}, True),
            ("Resend", "blocked", {"data": {"bounce": {"type": "Permanent"}}}, False),
            ("Mailtrap", "bounced", {}, True),
            ("Unheard Of", "bounced", None, True),
            ("Unheard Of", "invalid", "text", True),
            ("Unheard Of", "other", [], False),
            ("Unheard Of", None, {}, False),
            ("Amazon SES", "bounced", {"bounce": "text"}, True),
        ],
    )
    def test_by_the_services_own_word(
        self, service: str, reason: str | None, document: Any, hard: bool
    ):
        assert is_hard(service=service, reason=reason, document=document) is hard
