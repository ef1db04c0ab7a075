"""A downloader middleware that does nothing: what Scrapy itself takes to call one."""

import scrapy

__all__ = ["DoesNothing"]


class DoesNothing:
    """The methods that the add-on's middleware has."""

    def process_request(self, request: scrapy.Request) -> None:
        """Let it pass."""

    def process_response(self, request: scrapy.Request, response: scrapy.http.Response) -> scrapy.http.Response:
        """Let it pass."""
        return response

    def process_exception(self, request: scrapy.Request, exception: Exception) -> None:
        """Let it pass."""
