"""Halt400 for scrapers: publish what came back, ask the gate before sending.

Light on purpose: no Faust, no boto3. The service that decides lives in the package `streams`.
"""
