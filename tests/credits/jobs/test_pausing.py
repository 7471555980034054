"""credits.jobs.pausing: a paused job is started by nobody, until somebody resumes it."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.exceptions import AlreadyPaused, JobPaused
from credits.jobs import chunks
from credits.jobs.expiry import expire_credits
from credits.jobs.notices import send_notices
from credits.jobs.pausing import pause_job, pause_of, pauses, resume_job, who_paused
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.running import Watch
from credits.models import JobPause, JobRun
from credits.notices.pacing import Pace
from homezy.models import User
from tests.factories import MARCH, make_professional, make_professionals, make_user, promise
from tests.faults import lost_answers
from tests.threads import Knock, Pause, threads

pytestmark = pytest.mark.django_db

Job = JobPause.Job
NOON = MARCH.replace(hour=12)


def pause(job: str = Job.RESET) -> JobPause:
    return pause_job(job, reason="Wrong dates", actor_id=make_user().pk, at=MARCH)


class TestPause:
    def test_keeps_who_and_why_and_when_after_it_has_ended(self):
        aisha, omar = make_user(), make_user()
        pause_job(Job.EXPIRY, reason="Wrong dates", actor_id=aisha.pk, at=MARCH)

        resume_job(Job.EXPIRY, actor_id=omar.pk, at=NOON)

        kept = JobPause.objects.get()
        assert (kept.job, kept.reason) == (Job.EXPIRY, "Wrong dates")
        assert (kept.paused_by, kept.paused_at) == (aisha, MARCH)
        assert (kept.resumed_by, kept.resumed_at) == (omar, NOON)
        assert pauses() == {}

    def test_does_not_replace_the_reason_of_another(self):
        pause()

        with pytest.raises(AlreadyPaused) as refused:
            pause()

        assert refused.value.reason == "Wrong dates"
        assert JobPause.objects.count() == 1

    def test_can_be_made_again_after_its_end(self):
        pause()
        resume_job(Job.RESET, actor_id=None, at=NOON)

        again = pause()

        assert pause_of(Job.RESET) == again

    def test_outlives_the_user_who_made_it(self):
        pause()
        JobPause.objects.get().paused_by.delete()

        with pytest.raises(JobPaused) as refused:
            reset_monthly_credits(as_of=MARCH)

        assert refused.value.by == "somebody who is gone"

    def test_names_who_made_it_though_users_have_no_address(self, monkeypatch):
        monkeypatch.setattr(User, "EMAIL_FIELD", "mail")
        made = pause()

        assert who_paused(made) == str(made.paused_by)

    def test_that_there_is_none_is_said_when_resumed(self):
        assert resume_job(Job.RESET, actor_id=None, at=NOON) is None


@pytest.mark.django_db(transaction=True)
class TestLostAnswer:
    """It is in the database, and who asked for it never hears so."""

    def test_to_a_pause_is_no_pause_of_anothers(self):
        clerk = make_user().pk

        with lost_answers() as lost:
            made = pause_job(Job.RESET, reason="Wrong dates", actor_id=clerk, at=MARCH)

        assert (len(lost), JobPause.objects.get()) == (1, made)

    def test_to_its_end_is_no_lack_of_one(self):
        made = pause()

        with lost_answers() as lost:
            ended = resume_job(Job.RESET, actor_id=None, at=NOON)

        assert (len(lost), ended, ended.resumed_at, pauses()) == (1, made, NOON, {})


@pytest.mark.django_db(transaction=True)
class TestAPausedJob:
    @pytest.mark.parametrize("start", [reset_monthly_credits, expire_credits])
    def test_does_not_start(self, start):
        pause(Job.RESET), pause(Job.EXPIRY)

        with pytest.raises(JobPaused):
            start(as_of=MARCH)

        assert not JobRun.objects.exists()
        assert start(as_of=MARCH, even_if_paused=True).status == JobRun.Status.SUCCEEDED

    def test_ends_after_the_chunk_at_hand(self, monkeypatch):
        monkeypatch.setattr(chunks, "ASK_FOR_PAUSE_AFTER", 0)
        make_professionals(3)
        watch = Watch(progress=lambda written: written and not pauses() and pause())

        run = reset_monthly_credits(as_of=MARCH, chunk_size=1, watch=watch)

        assert (run.status, run.success_count) == (JobRun.Status.INTERRUPTED, 1)

    @pytest.mark.parametrize(
        ("seconds", "asks"), [(3600, 0), (0, 10)], ids=["once in a while", "as often as it may be"]
    )
    def test_is_asked_about(self, monkeypatch, seconds, asks):
        monkeypatch.setattr(chunks, "ASK_FOR_PAUSE_AFTER", seconds)
        make_professionals(5)
        at = []

        def note(count: int) -> None:
            at.append(len(queries))

        with CaptureQueriesContext(connection) as queries:
            watch = Watch(found=note, progress=note)
            run = reset_monthly_credits(as_of=MARCH, chunk_size=1, watch=watch)

        during = queries.captured_queries[at[0] : at[-1]]
        asked = [query for query in during if "credits_jobpause" in query["sql"]]
        assert (run.chunk_count, len(asked)) == (10, asks)

    def test_goes_on_where_it_was_told_to_run_all_the_same(self, monkeypatch):
        monkeypatch.setattr(chunks, "ASK_FOR_PAUSE_AFTER", 0)
        make_professionals(3)
        pause()

        run = reset_monthly_credits(as_of=MARCH, chunk_size=1, even_if_paused=True)

        assert (run.status, run.success_count) == (JobRun.Status.SUCCEEDED, 3)

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
    def test_is_not_started_by_who_asked_before_the_pause(self):
        clerk = make_user().pk
        pausing = Pause(after='INSERT INTO "credits_jobpause"')
        knock = Knock()
        with threads() as started:
            paused = started.start(
                lambda: pause_job(Job.RESET, reason="Stop", actor_id=clerk, at=MARCH), pausing
            )
            pausing.wait()
            run = started.start(lambda: reset_monthly_credits(as_of=MARCH), knock)
            knock.wait_until_blocked()
            pausing.resume()
            paused.result()

            with pytest.raises(JobPaused):
                run.result()

        assert not JobRun.objects.exists()


class TestPausedSending:
    def test_sends_nothing(self):
        promise(make_professional())
        pause(Job.SENDING)

        with pytest.raises(JobPaused):
            send_notices(as_of=NOON)

        assert mail.outbox == []
        assert send_notices(as_of=NOON, even_if_paused=True).sent == 1

    def test_stops_after_the_notice_at_hand(self):
        for _ in range(3):
            promise(make_professional())
        watch = Watch(progress=lambda done: not pauses() and pause(Job.SENDING))

        report = send_notices(
            as_of=NOON, watch=watch, pace=Pace(1, monotonic=lambda: 0, sleep=lambda seconds: None)
        )

        assert (report.sent, report.was_stopped) == (1, False)
        assert report.given_up == "It was paused meanwhile. The rest stay pending."
        resume_job(Job.SENDING, actor_id=None, at=NOON)
        assert send_notices(as_of=NOON + timedelta(minutes=1)).sent == 2
