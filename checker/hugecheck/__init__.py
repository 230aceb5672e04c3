"""hugecheck: a formal-model checker for the way Linux accounts for huge pages."""

__version__ = "0.1.0"
