"""The Halt400 service: Faust agents, tables, archive, query API and the local Kafka."""
