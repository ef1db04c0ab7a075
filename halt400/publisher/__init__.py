"""The publisher: takes response events from a scraper, buffers them, and sends them to Kafka."""

from halt400.publisher.publisher import Compression, Publisher, PublisherStats

__all__ = ["Compression", "Publisher", "PublisherStats"]
