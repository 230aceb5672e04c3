"""Exit statuses, by class of outcome."""

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_GAVE_UP = 3
EXIT_BUG = 70


def worst(statuses: list[int]) -> int:
    """The status of several outcomes together: bad input before a failed clause before giving up."""
    for status in (EXIT_BUG, EXIT_BAD_INPUT, EXIT_FAILED, EXIT_GAVE_UP):
        if status in statuses:
            return status
    return EXIT_OK
