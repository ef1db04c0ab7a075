"""The page: what an operator opens, rendered by the server from the data of the API, at `/` beside it.

Reading works without scripts; nothing comes from another host; what scrapers and servers sent is only ever text.
"""

from streams.page.server import page_server

__all__ = ["page_server"]
