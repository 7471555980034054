"""The Django app ``homezy``: the marketplace that hosts ``credits``."""

from django.apps import AppConfig


class HomezyConfig(AppConfig):
    """A home-services marketplace in the UAE."""

    name = "homezy"
