"""Self-contained pages for a browser: they load nothing from any network."""
