"""Sphinx configuration: Markdown pages, the interface from the docstrings, no script and no font from elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import throughtime

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "throughtime"
author = "the throughtime developers"
project_copyright = author
version = release = throughtime.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docstrings", "mathml", "references"]
exclude_patterns = ["_build"]
default_role = "code"  # `name` in a docstring is code
nitpicky = True

myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "exclude-members": "__init__, __new__"}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
napoleon_use_ivar = True  # attributes of a class are a list, as its arguments are

html_theme = "furo"
html_title = f"throughtime {version}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["style.css"]
