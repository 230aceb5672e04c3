"""A trace as a reproducer that needs nothing of ours. `program` (steps as C functions), `condition` (a clause as a C expression), `render`
(the whole file: C, a shell script, an LTP test). What does not depend on the trace is C that compiles as it stands: `harness/`."""
