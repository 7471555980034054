"""The settings of a sender that an experiment starts: those of the tests and what it was told."""

import json
import os

from proof.sender import AT_ANY_HOUR
from settings.testing import *  # noqa: F403
from settings.testing import CREDITS, DATABASES

globals().update(json.loads(os.environ["PROOF_SETTINGS"]))

# A file's name as it is: pytest's own test database, not the one beside it.
DATABASES["default"]["NAME"] = os.environ["PROOF_DATABASE"]

CREDITS = CREDITS | AT_ANY_HOUR
ADMINS = []
