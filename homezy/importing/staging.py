"""Documents sorted by account, in a file that SQLite keeps: memory does not grow with the input."""

import pickle
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from types import TracebackType
from typing import Self

from homezy.importing.documents import (
    BalanceDocument,
    Document,
    PurchaseDocument,
    TransactionDocument,
    UserDocument,
)

_SCHEMA = """
CREATE TABLE documents (kind TEXT, id TEXT, owner TEXT, moment TEXT, place TEXT, body BLOB,
    PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE emails (email TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID;
CREATE TABLE faults (owner TEXT PRIMARY KEY, why TEXT) WITHOUT ROWID;
CREATE TABLE lines (section TEXT, subject TEXT, why TEXT);
"""

_BY_OWNER = """
SELECT owner, kind, body, faults.why FROM documents LEFT JOIN faults USING (owner)
ORDER BY owner, kind, moment, id
"""


@dataclass
class Papers:
    """Everything the four collections hold about one account."""

    owner: str
    fault: str | None = None
    """Why none of it may be imported."""
    user: UserDocument | None = None
    balances: list[BalanceDocument] = field(default_factory=list)
    transactions: list[TransactionDocument] = field(default_factory=list)
    purchases: dict[str, PurchaseDocument] = field(default_factory=dict)


class Staging:
    """
    A temporary database without a name: it is gone when it is closed, and when the process dies.

    It also keeps the lines of the report, which can be as many as the documents.
    """

    def __init__(self) -> None:
        # An empty name is a private file that SQLite has already unlinked.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384;"
            "PRAGMA temp_store = FILE;" + _SCHEMA
        )
        # One transaction that is never committed: nobody else reads this, and it is much quicker.
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._database.close()

    def add(self, document: Document, place: str) -> str | None:
        """
        Keep a document; return why not, if it cannot be kept.

        A document that comes twice is kept once. If the second says something else, nobody knows
        which is true, and the whole account is at fault.
        """
        kind = type(document).__name__
        moment = document.at.isoformat() if isinstance(document, TransactionDocument) else ""
        added = self._database.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (kind, document.id, document.owner, moment, place, pickle.dumps(document)),
        )
        if added.rowcount:
            return self._add_email(document, place) if isinstance(document, UserDocument) else None
        first_place, body = self._database.execute(
            "SELECT place, body FROM documents WHERE kind = ? AND id = ?", (kind, document.id)
        ).fetchone()
        first: Document = pickle.loads(body)  # noqa: S301  written above
        if first == document:
            return f"_id {document.id} stands already in {first_place}, which says the same"
        why = f"_id {document.id} stands already in {first_place}, which says something else"
        for owner in {first.owner, document.owner}:
            self.blame(owner, f"{place}: {why}")
        return why

    def _add_email(self, user: UserDocument, place: str) -> str | None:
        added = self._database.execute(
            "INSERT INTO emails VALUES (?, ?) ON CONFLICT DO NOTHING", (user.email, place)
        )
        if added.rowcount:
            return None
        (first,) = self._database.execute(
            "SELECT place FROM emails WHERE email = ?", (user.email,)
        ).fetchone()
        why = f"the e-mail address is that of the user in {first}"
        self.blame(user.owner, why)
        return why

    def blame(self, owner: str, why: str) -> None:
        """Remember that this account cannot be imported; the first reason stays."""
        self._database.execute(
            "INSERT INTO faults VALUES (?, ?) ON CONFLICT DO NOTHING", (owner, why)
        )

    def last_transaction_at(self) -> datetime | None:
        """Return the moment of the latest transaction."""
        (latest,) = self._database.execute(
            "SELECT max(moment) FROM documents WHERE kind = 'TransactionDocument'"
        ).fetchone()
        return datetime.fromisoformat(latest).astimezone(UTC) if latest else None

    def accounts(self) -> Generator[Papers, None, None]:
        """Yield what there is about each account, its transactions in their order."""
        with closing(self._database.cursor()) as cursor:
            rows = cursor.execute(_BY_OWNER)
            for owner, group in groupby(rows, key=lambda row: str(row[0])):
                papers = Papers(owner)
                for _, _, body, fault in group:
                    papers.fault = fault
                    _file(papers, pickle.loads(body))  # noqa: S301  written by add()
                yield papers

    def note(self, section: str, subject: str, why: str) -> None:
        """Keep a line for the report."""
        self._database.execute("INSERT INTO lines VALUES (?, ?, ?)", (section, subject, why))

    def count(self, section: str) -> int:
        """Return the number of lines in a section."""
        (count,) = self._database.execute(
            "SELECT count(*) FROM lines WHERE section = ?", (section,)
        ).fetchone()
        return int(count)

    def lines(self, section: str) -> Iterator[tuple[str, str]]:
        """Yield (subject, why) of a section, in the order in which they were noted."""
        with closing(self._database.cursor()) as cursor:
            yield from cursor.execute(
                "SELECT subject, why FROM lines WHERE section = ? ORDER BY rowid", (section,)
            )


def _file(papers: Papers, document: Document) -> None:
    match document:
        case UserDocument():
            papers.user = document
        case BalanceDocument():
            papers.balances.append(document)
        case TransactionDocument():
            papers.transactions.append(document)
        case PurchaseDocument():
            papers.purchases[document.id] = document
