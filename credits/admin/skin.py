"""
The base classes of the admin's pages: Django's own, or django-unfold's where that is installed.

This module alone knows of unfold; every page behaves the same in both.
"""

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import admin

# Generic for the type checker alone: at run time Django's admin classes take no parameters.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    StackedInline = admin.StackedInline[Any, Any]
    TabularInline = admin.TabularInline[Any, Any]
elif apps.is_installed("unfold"):
    from unfold.admin import ModelAdmin, StackedInline, TabularInline
else:
    ModelAdmin = admin.ModelAdmin
    StackedInline = admin.StackedInline
    TabularInline = admin.TabularInline

HAS_HEADINGS = not apps.is_installed("unfold")
"""Whether the frame puts a page's title above it; unfold's names the list it belongs to."""

__all__ = ["HAS_HEADINGS", "ModelAdmin", "StackedInline", "TabularInline"]
