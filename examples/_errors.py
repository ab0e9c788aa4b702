"""The one kind of error that the examples answer with a line and exit code 2."""


class UsageError(Exception):
    """Something that the user can put right; the message says what, in one line."""
