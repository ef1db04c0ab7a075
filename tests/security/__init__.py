"""Tests of security: the connection to Kafka, and the rights on it."""
