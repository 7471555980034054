#!/usr/bin/env python
"""The project's commands: ``python manage.py help`` lists them."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    """Run the command of the command line, with the development settings unless told otherwise."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.development")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
