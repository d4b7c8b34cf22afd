"""The studio: a page to watch a clip, speak over it and see how close it came.

Plain ES modules and styles, served as they are. Everything but ``__init__.py`` and ``assets.py``
runs in the browser. ``docs/studio.md`` tells how they go together.
"""
