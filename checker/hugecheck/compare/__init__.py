"""Model and kernel side by side. In reading order: `requests` (from a spec, a recording or the output of `hugecheck run` to steps that a
real kernel can be asked for), `claim` (what must be seen for the violation to have happened), `predict` (what the model says to each
recorded step), `beside` (both as one ledger)."""
