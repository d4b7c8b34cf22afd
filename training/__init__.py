"""Training and evaluation of the phone encoder; not part of the installed package."""
