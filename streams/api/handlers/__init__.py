"""The handlers of the endpoints: one class per group, one method per endpoint, with the endpoint's id as its name."""
