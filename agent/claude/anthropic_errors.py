"""What an error of Anthropic's SDK means to a night, in one word and in one sentence that never holds a key."""

from __future__ import annotations

from anthropic import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
)

from agent.claude.clock import named_wait_s
from agent.claude.provider import Cure, Trouble
from agent.claude.ways import Way

PASSING_TYPES = ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")
PASSING_STATUS = (408, 409, 429)
# Words in which a service says that it cannot enforce the schema.
SCHEMA_WORDS = (
    "grammar",
    "schema",
    "output_config",
    "output_format",
    "structured output",
    "union types",
    "optional par",
)


def trouble_of(error: Exception, model: str, way: Way, deadline_s: float) -> Trouble:
    """Class, status and words of the error decide; what is none of the service's own is the network's."""
    cure, wait_s = _cure(error), named_wait_s(*_said(error))
    if _is_limit(error) and wait_s is not None:
        cure = "passing"
    number = error.request_id if isinstance(error, APIStatusError) else None
    told = f" (request {number})" if number else ""
    sentence = _sentence(error, f"{way.name}{told}", way, model) or _network(error, told, deadline_s)
    return Trouble(cure, _type(error), sentence, number, wait_s)


def _sentence(error: Exception, who: str, way: Way, model: str) -> str:
    """Why the service itself says no, and the way out; '' for any other trouble."""
    again = "then run the same command again"
    if _is_limit(error):
        return f"the spend limit at {who} is reached; raise it, {again}"
    if not isinstance(error, APIStatusError) or not isinstance(error.body, dict):
        return ""
    if isinstance(error, AuthenticationError | PermissionDeniedError):
        return f"{who} refused the key in {way.key}; set a valid one, {again}"
    if isinstance(error, PaymentRequiredError):
        return f"there is no credit at {who}; add some, {again}"
    if isinstance(error, NotFoundError):
        return f"claude.model {model} is not known to {who}; correct it in the campaign"
    if _cure(error) == "schema":
        return f"{who} cannot enforce the schema of the reply; set another claude.model"
    if isinstance(error, BadRequestError) or error.status_code == 413:
        return f"{who} cannot take the request: {_type(error)}; set claude.pictures: false or see the journal"
    return ""


def _network(error: Exception, told: str, deadline_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no whole reply within claude.deadline_s = {deadline_s:g} s; run the same command again later"
    return f"Claude cannot be reached{told} ({_type(error)}); run the same command again later, nothing is lost"


def _cure(error: Exception) -> Cure:
    """What would help against the error; a spend limit is never passing by itself."""
    if not isinstance(error, APIStatusError):
        return "passing"
    if _is_limit(error):
        return "person"
    if not isinstance(error.body, dict):
        # No error of the service's: some proxy in between answers in its place, with any status.
        return "passing"
    late = error.status_code == 200 and error.type in PASSING_TYPES
    if late or error.status_code in PASSING_STATUS or error.status_code >= 500:
        return "passing"
    if isinstance(error, NotFoundError):
        return "model"
    if isinstance(error, BadRequestError) and any(word in _said(error)[0].lower() for word in SCHEMA_WORDS):
        return "schema"
    return "person"


def _is_limit(error: Exception) -> bool:
    return isinstance(error, APIStatusError) and "spend_limit" in str(error.error_code)


def _said(error: Exception) -> tuple[str, dict[str, str]]:
    """The service's own words about the error, and the headers that came with it."""
    if not isinstance(error, APIStatusError):
        return "", {}
    return str(error.message), {name.lower(): value for name, value in error.response.headers.items()}


def _type(error: Exception) -> str:
    named = error.type if isinstance(error, APIStatusError) else None
    return str(named or type(error).__name__)
