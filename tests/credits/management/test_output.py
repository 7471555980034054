"""credits.management.output: nobody has to read what a command says."""

import os
from collections.abc import Iterator
from typing import TextIO

import pytest
from django.core.management import call_command

from credits.management.commands import expire_credits, verify_credits
from credits.models import JobRun
from tests.factories import APRIL, AUGUST, make_lot_holders

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[True, False], ids=["line by line", "held back"])
def unread(request: pytest.FixtureRequest) -> Iterator[TextIO]:
    """A pipe whose reader has left."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        pipe.reconfigure(line_buffering=request.param)
        yield pipe


class TestOutput:
    def test_that_nobody_reads_ends_no_run(self, clock, unread: TextIO):
        clock(AUGUST)
        make_lot_holders(3, expires_at=APRIL)

        call_command(expire_credits.Command(stdout=unread))

        run = JobRun.objects.get()
        assert (run.status, run.success_count) == ("succeeded", 3)

    def test_that_nobody_reads_is_no_error(self, unread: TextIO):
        call_command(verify_credits.Command(stdout=unread))
