"""The chaos campaign: real Kafka, workers, scrapers, S3 and a pager under a seeded schedule of faults, judged by logs.

`chaos.history` is what a campaign records, `chaos.checker` judges it (pure), `chaos.schedule` draws and shrinks the
faults (pure), `chaos.campaign` runs one.
"""
