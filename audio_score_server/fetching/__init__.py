"""Recordings by URL, from the hosts that are allowed and from public addresses alone.

Whoever names a URL has the server send a request from where it stands, inside networks that
strangers cannot reach (server-side request forgery). Every URL, redirects included, is therefore
read strictly, its host compared with the allowed ones, and its addresses checked at the moment of
connecting.
"""
