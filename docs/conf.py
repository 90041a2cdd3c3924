"""How Sphinx makes the site: `make docs` builds it into build/site and checks its links."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from mastac.version import __version__

project = "mastac"
author = "the mastac contributors"
copyright = author
version = release = __version__

extensions = ["myst_parser", "docstrings", "commands", "mathml", "repository"]
exclude_patterns = ["_*"]
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
highlight_language = "text"

toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = html_short_title = "mastac"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_sidebars = {"**": ["sidebar-nav-bs"], "index": []}
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 5,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_nav_level": 1,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
