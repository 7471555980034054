#!/usr/bin/env python
"""The project's commands: ``python manage.py help`` lists them."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    """Run the command of the command line, with the development settings unless told otherwise."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.development")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # The message is a sentence for the operator; where it was raised helps nobody but us.
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"manage.py: {error}")


if __name__ == "__main__":
    main()
