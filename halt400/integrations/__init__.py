"""Integrations: one module per HTTP client or scraping framework, imported only by those who use it."""
