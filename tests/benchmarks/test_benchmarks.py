"""``make bench``, small: floor and job write the same, a missed bar fails, the page is stable."""

import os
from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.db import connection

from benchmarks import page, results
from benchmarks.__main__ import main
from benchmarks.bars import judge
from benchmarks.engines import PostgreSQL, SQLite, fresh_copy, manage
from benchmarks.measuring import measure_writers
from benchmarks.results import Figure, Results
from benchmarks.seeding import seed
from benchmarks.worker import floor

# There are no floors of MariaDB.
pytestmark = pytest.mark.engine("sqlite", "postgresql")

SIZE = 200

RESET = Figure(
    engine="SQLite",
    size=1_000_000,
    work="reset",
    way="job",
    rounds=5,
    rows=800_000,
    seconds=20.0,
    ratio=1.05,
    memory=70 * 2**20,
    written=900 * 2**20,
)
LOOP = replace(RESET, size=10_000, way="loop", rounds=1, rows=2_000, seconds=4.0, ratio=None)
AGAIN = replace(RESET, way="again", seconds=0.2, ratio=0.01, memory=0, written=0)
SMALL = replace(RESET, size=10_000, rows=8_000, seconds=0.2)


@contextmanager
def engine_of_the_tests(directory):
    if connection.vendor == "sqlite":
        yield SQLite(directory)
    else:
        yield PostgreSQL(os.environ["DATABASE_URL"])


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with engine_of_the_tests(tmp_path_factory.mktemp("bench")) as engine:
        seed(engine, SIZE, moves=2)
        yield engine
        engine.drop("seed")


def results_of(*figures):
    return Results(figures, machine="2 cores", versions="x 1", command="bench", day="2026-11-26")


def bars_missed(*figures):
    return [verdict.bar for verdict in judge(results_of(*figures)) if not verdict.is_met]


class TestFloor:
    @pytest.mark.parametrize(
        ("work", "rows"),
        [
            pytest.param("reset", 160, id="eighty in a hundred are eligible"),
            pytest.param("expiry-1", 2, id="one lot in a hundred is due"),
            pytest.param("expiry-5", 10, id="five lots in a hundred are due"),
            pytest.param("warnings", 190, id="the others are warned"),
            pytest.param("reset-notices", 160, id="whose credits changed hear of it"),
        ],
    )
    def test_writes_what_the_work_is_about(self, engine, work, rows):
        with fresh_copy(engine) as copy:
            taken = floor(engine.url(copy), work)

        assert taken.rows == rows
        assert taken.seconds > 0

    def test_leaves_books_in_order(self, engine):
        with fresh_copy(engine) as copy:
            floor(engine.url(copy), "verify")
            manage(engine, copy, "verify_credits", "-v0")


class TestMeasuring:
    def test_tells_floor_and_job_and_a_second_reset(self, engine):
        figures = list(measure_writers(engine, SIZE, ["reset"], rounds=1, with_rivals=False))

        ways = ["floor", "job", "again"] + ["workers"] * (engine.key == "postgresql")
        assert [(figure.way, figure.rows) for figure in figures] == [(way, 160) for way in ways]
        assert figures[1].ratio == pytest.approx(figures[1].seconds / figures[0].seconds)
        assert figures[1].memory > 20 * 2**20


class TestBars:
    def test_are_met_by_what_is_good_enough(self):
        assert bars_missed(RESET, LOOP, AGAIN, SMALL) == []

    @pytest.mark.parametrize(
        ("figures", "missed"),
        [
            ((replace(RESET, ratio=1.2),), "reset of 1,000,000: times the floor"),
            ((RESET, replace(LOOP, seconds=1.0)), "reset of 1,000,000: faster than one by one"),
            (
                (RESET, LOOP, replace(RESET, way="workers", seconds=1e6)),
                "reset of 1,000,000: faster than one by one, with two workers",
            ),
            (
                (RESET, replace(AGAIN, ratio=0.03)),
                "second reset of 1,000,000: part of the first",
            ),
            (
                (replace(RESET, memory=90 * 2**20),),
                "reset: peak memory at every size up to 1,000,000",
            ),
            (
                (RESET, replace(SMALL, memory=50 * 2**20)),
                "reset: peak memory at 1,000,000, times that at 10,000",
            ),
        ],
    )
    def test_are_missed_by_what_is_not(self, figures, missed):
        assert bars_missed(*figures) == [missed]

    def test_say_when_rounds_were_few(self):
        verdict = judge(results_of(replace(RESET, rounds=1)))[0]

        assert verdict.caveat == "1 rounds of 5"


class TestResults:
    def test_of_a_later_run_take_their_places_and_leave_the_rest(self):
        before = results_of(RESET, LOOP)
        now = results_of(replace(RESET, ratio=1.0))

        together = results.merged(before, now)

        assert {figure.way: figure.ratio for figure in together.figures} == {
            "job": 1.0,
            "loop": None,
        }

    def test_are_read_as_they_were_written(self, tmp_path):
        known = results_of(RESET, LOOP, AGAIN)

        results.save(known, tmp_path / "figures.json")

        assert results.load(tmp_path / "figures.json") == known


class TestCommand:
    @pytest.fixture
    def places(self, tmp_path):
        written, kept = tmp_path / "performance.md", tmp_path / "figures.json"
        written.write_text(f"Before.\n{page.BEGIN}\nold\n{page.END}\nBehind.\n")
        return written, kept

    @staticmethod
    def write(places):
        written, kept = places
        return main(["--from-results", "--results", str(kept), "--page", str(written)])

    def test_writes_the_same_page_from_the_same_results(self, places):
        written, kept = places
        results.save(results_of(RESET, LOOP, AGAIN, SMALL), kept)

        assert self.write(places) == 0

        first = written.read_text()
        assert self.write(places) == 0
        assert written.read_text() == first
        assert first.startswith("Before.\n")
        assert first.endswith(f"{page.END}\nBehind.\n")
        assert "| SQLite | 1,000,000 | **our job** (5 rounds) | 20.00 | 25.0 | 1.05 |" in first
        # Two thousand in four seconds, so eight hundred thousand in 1,600.
        assert "| SQLite | 10,000 | one by one ¹ | 16.00 | 2,000.0 |" in first
        assert "1,000,000: 20.00 s and 70 MB" in (written.parent / page.PICTURE).read_text()

    def test_fails_when_a_bar_is_missed(self, places, capsys):
        results.save(results_of(replace(RESET, ratio=1.2)), places[1])

        assert self.write(places) == 1

        assert "MISSED SQLite     reset of 1,000,000: times the floor: 1.20x" in (
            capsys.readouterr().out
        )

    def test_refuses_results_that_are_none(self, places):
        places[1].write_text('{"figures": 3}')

        with pytest.raises(SystemExit, match="holds no results of benchmarks"):
            self.write(places)

    def test_says_that_nothing_was_measured_yet(self, places):
        with pytest.raises(SystemExit, match="measure first"):
            self.write(places)

    def test_refuses_a_page_without_a_place_for_figures_before_it_measures(self, places):
        places[0].write_text("Nothing.")

        with pytest.raises(SystemExit, match="does not say where the figures go"):
            main(["--page", str(places[0])])

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (["--sizes", "many"], "'many' is no number of at least 1"),
            (["--sizes", "20"], "20 are too few"),
            (["--rounds", "0"], "'0' is no number of at least 1"),
        ],
    )
    def test_refuses_words_in_a_sentence(self, words, why, capsys):
        with pytest.raises(SystemExit):
            main(words)

        assert why in capsys.readouterr().err
