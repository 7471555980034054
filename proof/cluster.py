"""A PostgreSQL for one experiment alone, with settings of its own, in place of the stage's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.core.management import call_command
from django.db import connection, connections

from tests.plugins.postgres import Server, throwaway_server
from tests.plugins.servers import PLACE

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
"""As in production: what was acknowledged is on the disk."""


@contextmanager
def on_cluster(parameters: Mapping[str, str], *, within: Path = PLACE) -> Iterator[Server]:
    """Lead Django to a fresh cluster, migrated, until the block ends."""
    with (
        throwaway_server(parameters, within=within) as server,
        led_to(server.directory, name="postgres"),
    ):
        call_command("migrate", verbosity=0)
        yield server


@contextmanager
def led_to(host: Path, *, name: str = "") -> Iterator[None]:
    """Let Django connect to the socket in this directory until the block ends."""
    connections.close_all()
    before = connection.settings_dict["HOST"], connection.settings_dict["NAME"]
    connection.settings_dict["HOST"] = str(host)
    connection.settings_dict["NAME"] = name or before[1]
    try:
        yield
    finally:
        connections.close_all()
        connection.settings_dict["HOST"], connection.settings_dict["NAME"] = before
