"""Kafka: the connection value, and the clients built on aiokafka. It imports nothing, to stay light."""
