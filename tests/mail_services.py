"""
The documents in which mail services report what became of a mail, and the way they post them.

The documents are those of the services' own documentation, with the fields that anymail reads.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from credits.models import Notice
from tests.factories import MARCH, new_key

SECRET = "mail:0123456789abcdef"
SIGNING_KEY = "mailgun-signing-key"
ANYMAIL = {"WEBHOOK_SECRET": SECRET, "MAILGUN_WEBHOOK_SIGNING_KEY": SIGNING_KEY}


@dataclass(frozen=True)
class Report:
    """One request of a mail service."""

    service: str
    document: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    def post(self, client: Client, *, secret: str | None = SECRET) -> HttpResponse:
        """Post it, as the service does each time it tells the same."""
        headers = dict(self.headers)
        if secret is not None:
            headers["Authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
        return client.post(
            reverse(f"credits:anymail:{self.service}_tracking_webhook"),
            data=json.dumps(self.document),
            content_type="application/json",
            headers=headers,
        )


def mailgun(notice: Notice, event: str, *, at: datetime = MARCH, **more: Any) -> Report:
    """Report as Mailgun does: signed, with the message's own variables."""
    signature = {"timestamp": str(int(at.timestamp())), "token": new_key("token")}
    signature["signature"] = hmac.new(
        SIGNING_KEY.encode(),
        f"{signature['timestamp']}{signature['token']}".encode(),
        hashlib.sha256,
    ).hexdigest()
    data = {
        "event": event,
        "id": "hTWCTD81RtiDN",
        "timestamp": at.timestamp(),
        "recipient": notice.address,
        "user-variables": {"notice": str(notice.pk), "kind": notice.kind},
        "tags": ["credits-reset"],
        "message": {"headers": {"to": notice.address, "message-id": notice.message_id}},
        "delivery-status": {"code": 550, "description": "", "message": "5.1.1 no such\nuser"},
    } | more
    return Report("mailgun", {"signature": signature, "event-data": data})


def postmark(notice: Notice, record: str, *, at: datetime = MARCH, **more: Any) -> Report:
    """Report as Postmark does: an id for a bounce or a complaint, none for the rest."""
    document = {
        "RecordType": record,
        "MessageID": notice.message_id,
        "ServerID": 23,
        "Metadata": {"notice": str(notice.pk), "kind": notice.kind},
        "Tag": "credits-reset",
    }
    if record in {"Bounce", "SpamComplaint"}:
        document |= {
            "ID": 901542550,
            "Type": "HardBounce" if record == "Bounce" else "SpamComplaint",
            "Email": notice.address,
            "BouncedAt": at.isoformat(),
            "Details": "smtp;550 5.1.1 The account does not exist.",
        }
    else:
        moment = {
            "Delivery": "DeliveredAt",
            "SubscriptionChange": "ChangedAt",
        }.get(record, "ReceivedAt")
        document |= {"Recipient": notice.address, moment: at.isoformat()}
    return Report("postmark", document | more)


def resend(notice: Notice, event: str, *, at: datetime = MARCH, **more: Any) -> Report:
    """Report as Resend does: the message's metadata in a header of its, the id in one of HTTP's."""
    metadata = json.dumps({"notice": str(notice.pk), "kind": notice.kind})
    data = {
        "created_at": at.isoformat(),
        "email_id": notice.message_id,
        "to": [notice.address],
        "headers": [{"name": "X-Metadata", "value": metadata}],
    } | more
    document = {"type": f"email.{event}", "created_at": at.isoformat(), "data": data}
    return Report("resend", document, {"svix-id": new_key("msg")})


def resend_bounce(kind: str) -> dict[str, Any]:
    """Return what Resend adds to a bounce."""
    message = "The recipient's email provider sent a hard bounce message."
    return {"bounce": {"message": message, "subType": "General", "type": kind}}


def brevo(notice: Notice, event: str, *, at: datetime = MARCH, **more: Any) -> Report:
    """Report as Brevo does: no id of the event's."""
    document = {
        "event": event,
        "email": notice.address,
        "id": 9999999,
        "message-id": notice.message_id,
        "ts_epoch": int(at.timestamp() * 1000),
        "X-Mailin-custom": json.dumps({"notice": str(notice.pk), "kind": notice.kind}),
        "reason": "550 5.5.0 mailbox unavailable",
        "tags": ["credits-reset"],
    } | more
    return Report("brevo", document)


def amazon_ses(notice: Notice, event: str, *, at: datetime = MARCH, **more: Any) -> Report:
    """Report as Amazon does: a letter inside one of SNS."""
    metadata = json.dumps({"notice": str(notice.pk), "kind": notice.kind})
    details = {
        "Bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [{"emailAddress": notice.address, "diagnosticCode": "550"}],
        },
        "Complaint": {
            "complainedRecipients": [{"emailAddress": notice.address}],
            "complaintFeedbackType": "abuse",
        },
        "Delivery": {"recipients": [notice.address], "smtpResponse": "250 ok"},
    }.get(event, {})
    letter = {
        "eventType": event,
        event.lower(): details | more,
        "mail": {
            "messageId": notice.message_id,
            "destination": [notice.address],
            "headers": [{"name": "X-Metadata", "value": metadata}],
        },
    }
    document = {
        "Type": "Notification",
        "MessageId": new_key("sns"),
        "TopicArn": "arn:aws:sns:us-east-1:1234567890:SES_Events",
        "Message": json.dumps(letter) + "\n",
        "Timestamp": at.isoformat(),
    }
    headers = {
        "x-amz-sns-message-id": document["MessageId"],
        "x-amz-sns-message-type": "Notification",
    }
    return Report("amazon_ses", document, headers)


Reporter = Callable[[Notice], Report]

DELIVERED: dict[str, Reporter] = {
    "Mailgun": lambda notice: mailgun(notice, "delivered"),
    "Postmark": lambda notice: postmark(notice, "Delivery"),
    "Resend": lambda notice: resend(notice, "delivered"),
    "Brevo": lambda notice: brevo(notice, "delivered"),
    "Amazon SES": lambda notice: amazon_ses(notice, "Delivery"),
}

HARD_BOUNCE: dict[str, Reporter] = {
    "Mailgun": lambda notice: mailgun(
        notice, "failed", severity="permanent", reason="suppress-bounce"
    ),
    "Postmark": lambda notice: postmark(notice, "Bounce"),
    "Postmark, invalid": lambda notice: postmark(notice, "Bounce", Type="BadEmailAddress"),
    "Postmark, by subscription": lambda notice: postmark(
        notice, "SubscriptionChange", SuppressSending=True, SuppressionReason="HardBounce"
    ),
    "Resend": lambda notice: resend(notice, "bounced", **resend_bounce("Permanent")),
    "Brevo": lambda notice: brevo(notice, "hard_bounce"),
    "Brevo, invalid": lambda notice: brevo(notice, "invalid_email"),
    "Amazon SES": lambda notice: amazon_ses(notice, "Bounce"),
}

SOFT_BOUNCE: dict[str, Reporter] = {
    "Mailgun": lambda notice: mailgun(notice, "failed", severity="temporary", reason="generic"),
    "Mailgun, given up": lambda notice: mailgun(
        notice, "failed", severity="permanent", reason="old"
    ),
    "Postmark": lambda notice: postmark(notice, "Bounce", Type="SoftBounce"),
    "Postmark, transient": lambda notice: postmark(notice, "Bounce", Type="Transient"),
    "Resend": lambda notice: resend(notice, "bounced", **resend_bounce("Transient")),
    "Brevo": lambda notice: brevo(notice, "soft_bounce"),
    "Brevo, deferred": lambda notice: brevo(notice, "deferred"),
    "Amazon SES": lambda notice: amazon_ses(notice, "Bounce", bounceType="Transient"),
}

COMPLAINT: dict[str, Reporter] = {
    "Mailgun": lambda notice: mailgun(notice, "complained"),
    "Postmark": lambda notice: postmark(notice, "SpamComplaint"),
    "Resend": lambda notice: resend(notice, "complained"),
    "Brevo": lambda notice: brevo(notice, "spam"),
    "Amazon SES": lambda notice: amazon_ses(notice, "Complaint"),
}

UNSUBSCRIBED: dict[str, Reporter] = {
    "Mailgun": lambda notice: mailgun(notice, "unsubscribed"),
    "Postmark": lambda notice: postmark(
        notice, "SubscriptionChange", SuppressSending=True, SuppressionReason="ManualSuppression"
    ),
    "Brevo": lambda notice: brevo(notice, "unsubscribe"),
}
