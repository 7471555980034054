"""tests.plugins.postgres: a PostgreSQL of one's own."""

import importlib.util
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.plugins.postgres import PostgreSQLUnavailable, find_binaries, throwaway_cluster


@pytest.mark.engine("postgresql")
class TestThrowawayCluster:
    def test_answers_and_leaves_nothing_behind(self):
        with throwaway_cluster() as url, psycopg.connect(url) as connection:
            directory = Path(parse_qs(urlsplit(url).query)["host"][0])
            tables = connection.execute("SELECT count(*) FROM pg_stat_user_tables").fetchone()

        assert tables == (0,)
        assert not directory.exists()

    def test_takes_parameters(self):
        with (
            throwaway_cluster({"fsync": "on", "max_connections": "20"}) as url,
            psycopg.connect(url) as connection,
        ):
            fsync = connection.execute("SHOW fsync").fetchone()
            connections = connection.execute("SHOW max_connections").fetchone()

        assert fsync == ("on",)
        assert connections == ("20",)

    def test_says_why_it_does_not_start(self):
        with (
            pytest.raises(PostgreSQLUnavailable, match='unrecognized .* parameter "colour"'),
            throwaway_cluster({"colour": "blue"}),
        ):
            pytest.fail("It started.")


class TestFindBinaries:
    def test_says_what_to_install_where_there_are_none(self, monkeypatch):
        monkeypatch.setattr(shutil, "which", lambda _: None)
        monkeypatch.setattr(Path, "glob", lambda *_: [])
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

        with pytest.raises(PostgreSQLUnavailable, match="apt-get install postgresql"):
            find_binaries()
