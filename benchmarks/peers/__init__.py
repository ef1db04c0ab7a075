"""What other stream processors in Python count of `responses`; each is run by an environment of its own."""
