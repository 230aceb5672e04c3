"""The reference engine: `layout` (where things are in a state), `python` (program to Python functions), `machine`, `search`."""
