"""
The senders that are killed: ours, and a naive one.

The naive one is the control: it sends 50, then marks the 50 that no error came from.
"""

from datetime import datetime

AT_ANY_HOUR = {"NOTICES_PER_SECOND": 100_000, "SEND_WINDOW": ["00:00", "23:59:59"]}


def ours(as_of: datetime) -> None:
    from credits.jobs.notices import send_notices

    send_notices(as_of=as_of)


def naive(as_of: datetime) -> None:
    from django.core.mail import EmailMultiAlternatives

    from credits.models import Notice
    from credits.notices.composing import compose
    from credits.notices.configured import new_connection

    pending = Notice.objects.filter(status=Notice.Status.PENDING).order_by("pk")
    after = 0
    while batch := list(pending.filter(pk__gt=after)[:50]):
        sent = []
        for notice in batch:
            connection = new_connection()
            message = compose(notice, at=as_of)
            mail = EmailMultiAlternatives(
                message.subject, message.text, to=[message.recipient.address], connection=connection
            )
            mail.attach_alternative(message.html, "text/html")
            try:
                mail.send()
            except Exception:  # noqa: S112  Whatever it was: the next run tries again.
                continue
            sent.append(notice.pk)
        pending.filter(pk__in=sent).update(status=Notice.Status.SENT)
        after = batch[-1].pk


SENDERS = {"ours": ours, "naive": naive}
