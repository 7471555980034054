"""tests.plugins.mariadb: a MariaDB of one's own."""

import importlib.util
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.plugins.mariadb import MariaDBUnavailable, find_programs, throwaway_mariadb


@pytest.mark.engine("mariadb")
class TestThrowawayMariaDB:
    def test_answers_and_leaves_nothing_behind(self):
        from MySQLdb import connect  # noqa: PLC0415

        with throwaway_mariadb({"max_connections": "20"}) as url:
            socket = parse_qs(urlsplit(url).query)["unix_socket"][0]
            connection = connect(unix_socket=socket, user="root", database="credits")
            connection.query("SELECT @@max_connections, @@skip_networking")
            found = connection.store_result().fetch_row()
            connection.close()

        assert found == ((20, 1),)
        assert not Path(socket).parent.exists()

    def test_says_why_it_does_not_start(self):
        with (
            pytest.raises(MariaDBUnavailable, match="unknown variable 'colour=blue'"),
            throwaway_mariadb({"colour": "blue"}),
        ):
            pytest.fail("It started.")


class TestFindPrograms:
    def test_says_what_to_install_where_there_is_no_driver(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

        with pytest.raises(MariaDBUnavailable, match=r"requirements-mariadb\.txt"):
            find_programs()

    def test_says_what_to_install_where_there_is_no_server(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
        monkeypatch.setattr(shutil, "which", lambda _, path: None)

        with pytest.raises(MariaDBUnavailable, match="apt-get install mariadb-server"):
            find_programs()
