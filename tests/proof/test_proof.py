"""
The experiments of ``make proof``, short: the same code under the same fire, for seconds.

Where an experiment has a control its harm is part of what is asserted: a harness under which
nothing can go wrong shows nothing.
"""

import pytest

from proof import runner_storm, tamper
from proof.bad_rows import JOBS, bad_rows
from proof.crash_points import CONTROLS as CRASH_CONTROLS
from proof.crash_points import SCENES as CRASH_SCENES
from proof.crash_points import every_point
from proof.database_crash import crashes
from proof.findings import Finding, page, table
from proof.full_disk import COMMANDS, full_disk
from proof.kill_scenes import SCENES
from proof.kill_storm import storm
from proof.life_goes_on import life_goes_on
from proof.lost_answers import by_termination, through_proxy
from proof.odd_days import months_without_the_day
from tests.plugins.postgres import PostgreSQLUnavailable

pytestmark = pytest.mark.django_db(transaction=True)

SEED = 42

KILLS = 3
"""Of each job; ``make proof`` kills 250 times as often."""

STEP = 8
"""Of a job's points every eighth; ``make proof`` takes all."""


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(
            scene, id=scene.name, marks=pytest.mark.engine(scene.engine) if scene.engine else ()
        )
        for scene in SCENES
    ],
)
def test_a_killed_job_is_done_by_the_next(scene):
    # Its control needs luck at so few kills; that of the crash points needs none.
    finding = storm(scene, kills=KILLS, control_kills=0, seed=SEED)

    assert finding.complaints == ()
    assert finding.trials == KILLS


@pytest.mark.parametrize("name", CRASH_SCENES)
def test_no_crash_point_leaves_half_of_anything(name):
    finding = every_point(name, step=STEP if name in CRASH_CONTROLS else 1)

    assert finding.against == []
    # At least: lock, key, row, balance, before COMMIT, after it.
    assert finding.trials > 6


def test_an_answer_that_is_lost_is_given_again():
    assert by_termination(times=15, control_times=2, seed=SEED).against == []


@pytest.mark.engine("postgresql")
def test_an_answer_that_a_proxy_swallows_is_given_again():
    assert through_proxy(times=15, control_times=2, seed=SEED).against == []


@pytest.mark.engine("postgresql")
def test_a_crash_of_the_database_loses_nothing_that_was_acknowledged():
    assert crashes(times=2, control_times=3, seed=SEED).against == []


@pytest.mark.parametrize("name", JOBS)
def test_bad_rows_stop_nobody_else(name):
    assert bad_rows(name, professionals=400).against == []


# A MariaDB whose disk is full waits for room; it does not fail.
@pytest.mark.engine("sqlite", "postgresql")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_a_clean_failure(name):
    try:
        finding = full_disk(name, professionals=5_000)
    except PostgreSQLUnavailable as reason:
        pytest.skip(str(reason))

    assert finding.against == []


def test_life_goes_on_during_resets_and_expiries():
    finding = life_goes_on(operations=400, a_day=10, control_operations=300, seed=SEED)

    assert finding.against == []


def test_eight_runners_and_one_that_sleeps_reset_each_month_once():
    assert runner_storm.storm(periods=5, control_periods=1).against == []


def test_a_lot_expires_to_the_microsecond_whatever_its_month():
    assert months_without_the_day().against == []


@pytest.mark.parametrize("experiment", [tamper.refused, tamper.behind])
def test_the_ledger_is_edited_by_nobody_unseen(experiment):
    assert experiment().against == []


def test_a_migrate_puts_the_triggers_back():
    assert tamper.migrations(since="0008_alerts").against == []


class TestFinding:
    def make(self, **fields: object) -> Finding:
        plain = {"experiment": "kills", "engine": "sqlite", "trials": 9, "trial": "kills"}
        harm = {"complaints": (), "control_trials": 5, "control_bad": 4, "seconds": 1.0}
        return Finding(**plain | harm | fields)

    def test_has_nothing_against_a_claim_that_holds(self):
        assert self.make().against == []

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"complaints": ("kill 3: 2 rows",)}, "kills on sqlite: kill 3: 2 rows"),
            ({"trials": 0}, "nothing was tried"),
            ({"control_bad": 0}, "the control came to no harm"),
        ],
        ids=["bad books", "no trial", "a control that passes"],
    )
    def test_says_what_speaks_against_the_app_or_the_experiment(self, fields, sentence):
        (said,) = self.make(**fields).against

        assert sentence in said

    def test_is_one_line_of_the_table(self):
        (*_, line) = table([self.make(remarks="2 came too late")]).splitlines()

        assert " ".join(line.split()) == "kills sqlite 9 kills 0 4 of 5 1.0 2 came too late"

    def test_is_one_row_of_the_page(self):
        text = page([self.make()], "2026-11-26, seed 7")

        lines = text.splitlines()
        assert "Written by `make proof`: 2026-11-26, seed 7." in text
        assert "| kills | sqlite | 9 kills | 0 | 4 of 5 | 1.0 |  |" in lines
        assert lines[-1] == "Nothing lost, nothing doubled; every control failed as it must."
