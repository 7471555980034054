"""Count what is new into the monthly totals, so that no chart and no report reads the ledger."""

import logging
from typing import Any

from django.db import DatabaseError

from credits.engine.database import ledger_database
from credits.engine.totals import roll_up

logger = logging.getLogger("credits.totals")


def count_run(**kwargs: Any) -> None:
    """Count everything that is new; what cannot be counted now is counted after the next run."""
    try:
        roll_up(using=ledger_database())
    except DatabaseError:
        logger.exception("monthly totals were not counted")
