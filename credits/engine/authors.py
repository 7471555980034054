"""Who wrote transactions in the admin: a step along an index for each, however many rows."""

from typing import Any

from django.db import connections

# ORDER BY and LIMIT, not MIN: of UUIDs PostgreSQL knows no least one.
_NEXT = """
    SELECT created_by_id FROM credits_credittransaction
    WHERE created_by_id IS NOT NULL {beyond} ORDER BY created_by_id LIMIT 1
"""

_AUTHORS = f"""
    WITH RECURSIVE authors(person) AS (
        SELECT ({_NEXT.format(beyond="")})
        UNION ALL
        SELECT ({_NEXT.format(beyond="AND created_by_id > person")})
        FROM authors WHERE person IS NOT NULL
    )
    SELECT person FROM authors WHERE person IS NOT NULL LIMIT %s
"""


def authors(most: int, *, using: str) -> list[Any]:
    """
    Return the keys of the users who wrote transactions, the first ``most`` in their order.

    A DISTINCT would read every row that has an author.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(_AUTHORS, [most])
        return [person for (person,) in cursor.fetchall()]
