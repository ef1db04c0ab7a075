"""Which hosts are of one site: what a page asks of others (trackers, advertisements) is not the scraper's request."""

import re
from functools import lru_cache
from urllib.parse import urlsplit

__all__ = ["same_site"]


@lru_cache(maxsize=4_096)
def same_site(url: str, page_url: str) -> bool:
    """Whether a request is for the site of its page; a page without a host, such as ``about:blank``, has every site.

    A site is the last two labels of a host, or the last three where the second is short, as in ``shop.co.uk``.

    Examples
    --------
    >>> same_site("https://api.shop.co.uk/v1", "https://www.shop.co.uk/"), same_site("https://a.co.uk/", "https://b.co.uk/")
    (True, False)
    """
    page = _site(page_url)
    return not page or page == _site(url)


def _site(url: str) -> str:
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
    labels = host.split(".")
    if ":" in host or re.fullmatch(r"[0-9.]+", host) or len(labels) < 3:
        return host
    return ".".join(labels[-3:] if len(labels[-1]) == 2 and len(labels[-2]) <= 3 else labels[-2:])
