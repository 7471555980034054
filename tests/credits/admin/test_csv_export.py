"""credits.admin.csv_export: what a spreadsheet makes of our rows."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

import pytest

from credits.admin.csv_export import PIECE, cell, stream_csv


class TestCell:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (-70, "-70"),
            (Decimal("-3.33"), "-3.33"),
            (True, "true"),
            (None, ""),
            (datetime(2026, 3, 1, 0, 1, tzinfo=UTC), "2026-03-01T00:01:00+00:00"),
            ("Aisha's lot", "Aisha's lot"),
            ("عائشة", "عائشة"),
        ],
        ids=str,
    )
    def test_says_what_it_is(self, value, text):
        assert cell(value) == text

    @pytest.mark.parametrize(
        "text",
        [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            " =1+1",
            "\u00a0=1",
            "＝1+1",
            "＠x",
        ],
    )
    def test_is_never_a_formula(self, text):
        assert cell(text) == f"'{text}"


class TestStream:
    def test_can_be_read_back(self):
        rows = [["Al=pha, Beta", -5], ['say "hi"\nand go', 7]]

        response = stream_csv("transactions", ["name", "credits"], rows)

        body = b"".join(response).decode("utf-8-sig")
        assert list(csv.reader(StringIO(body))) == [
            ["name", "credits"],
            ["Al=pha, Beta", "-5"],
            ['say "hi"\nand go', "7"],
        ]
        assert response["Content-Disposition"] == 'attachment; filename="transactions.csv"'

    def test_begins_before_the_last_row_is_there(self):
        def rows():
            yield from ([number] for number in range(PIECE))
            raise AssertionError("asked for more than was read")

        pieces = iter(stream_csv("rows", ["number"], rows()))

        assert next(pieces) == "\ufeffnumber\r\n".encode()
        piece = next(pieces)
        assert piece.startswith(b"0\r\n1\r\n")
        assert piece.endswith(b"\r\n")
        assert PIECE <= len(piece) < PIECE + 10
        assert next(pieces).startswith(b"%d\r\n" % piece.count(b"\n"))
