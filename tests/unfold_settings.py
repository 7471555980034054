"""The suite's settings with django-unfold's skin, for ``tests/credits/admin/test_skins.py``."""

from settings.testing import *  # noqa: F403
from settings.testing import INSTALLED_APPS

INSTALLED_APPS = ["unfold", *INSTALLED_APPS]
