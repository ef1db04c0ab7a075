"""Kafka: the connection value, and clients built on aiokafka. This file imports nothing, to stay light."""
