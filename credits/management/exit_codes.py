"""What the commands end with: docs/reference/exit-codes.md lists it for each."""

EXIT_FAILED = 1
EXIT_BAD_ARGUMENTS = 2
EXIT_PARTIAL = 3
EXIT_ALREADY_ACTIVE = 4
EXIT_PAUSED = 5
EXIT_INTERRUPTED = 130
