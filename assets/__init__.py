"""The scenes that come with Voxtide: read them with `importlib.resources.files("voxtide.assets")`.

Where each is from, who made it and under which licence: SOURCES.md, beside it.
"""
