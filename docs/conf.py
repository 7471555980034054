"""
Sphinx's settings. The repository is the source directory, so that a link between two files of it
leads to the same place here and where the repository is read.
"""

import os
import sys
import tomllib
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).with_name("_ext"))]

# The reference is written from the code, which wants a Django that is set up; no database is asked.
os.environ["DJANGO_SETTINGS_MODULE"] = "settings.testing"
django.setup()

project = "credits"
author = "The credits authors"
release = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

extensions = ["credits_reference", "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["docs/**", "deploy/**/README.md", "deploy/README.md", "CHANGELOG.md"]
exclude_patterns = [".*", "build", "dist", "logs", "staticfiles", "docs/_*"]

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"

maximum_signature_line_length = 88
# What stands in quotes here is mostly code.
smartquotes = False

html_theme = "furo"
html_title = f"credits {release}"
# There is no year to name, and the licence says whose it is.
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
# The pages lie under docs/ and deploy/, as their sources do; who opens the top is led to them.
templates_path = ["_templates"]
html_additional_pages = {"index": "to_docs.html"}
