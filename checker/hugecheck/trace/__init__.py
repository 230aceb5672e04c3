"""Executions as data: `path` (from a search to steps), `spelling` (a step as text or JSON), `ledger` (for people), `recording` (from real kernels),
`follow` (does the model predict a recording?)."""
