"""Errors a person can act on: one sentence saying what was found, where, and what would be right."""


class NightflyError(Exception):
    """Base of every error nightfly raises on purpose; its text is one clear sentence."""


class UserError(NightflyError):
    """A mistake in the input or the environment; the command line prints it and exits with code 2."""


class ConfigError(UserError):
    """A campaign or slot config that cannot be used."""


class RunError(UserError):
    """A run directory that cannot be used: of another campaign, locked, unreadable or unwritable."""


class Standstill(NightflyError):
    """A night that cannot go on by itself: a person must act, then the same command goes on with it."""


class JournalError(RunError):
    """A journal whose records do not form one unbroken hash chain."""
