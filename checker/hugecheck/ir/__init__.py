"""The program that the engines run: `types`, `operators`, `program` (read this one first), and the passes over it."""
