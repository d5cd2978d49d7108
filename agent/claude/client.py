"""The real Claude behind `LLMClient`: one streamed, schema-bound request, retried while the trouble is passing."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
from anthropic import (
    APIConnectionError,
    APIStatusError,
    AsyncAnthropic,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    transform_schema,
)
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    stop_any,
    wait_random_exponential,
)

from agent.claude.prices import price
from agent.claude.protocol import Completion, LLMUnavailable, ModelFacts, Prompt, Try
from state.campaign import ClaudeConfig
from state.errors import UserError

if TYPE_CHECKING:
    from anthropic.types import Message, ModelCapabilities

LOOK_S = 60.0
KEY = "ANTHROPIC_API_KEY"
PASSING_STATUS = (408, 409, 429)
PASSING_TYPES = ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")
# Errors of a request that a night can meet; any other exception is a bug of this program.
TROUBLE = (APIStatusError, APIConnectionError, httpx2.HTTPError, TimeoutError)


def require_key() -> None:
    """UserError when there is no key: told before anything is trained."""
    if not os.environ.get(KEY, "").strip():
        raise UserError(
            f"{KEY} is not set; export your Anthropic key under that name, or add --dry-run for the mocked Claude"
        )


class ClaudeClient:
    """Asks the campaign's model. ``base_url`` and the waits are for tests; retries are capped and jittered."""

    def __init__(
        self, config: ClaudeConfig, base_url: str | None = None, tries: int | None = None, longest_wait_s: float = 60.0
    ) -> None:
        require_key()
        self._config, self._base_url, self._wait = config, base_url, longest_wait_s
        patience = stop_after_delay(60 * config.patience_minutes)
        self._stop = patience if tries is None else stop_any(patience, stop_after_attempt(tries))

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        """The reply; LLMUnavailable says in one sentence why there is none and what to do."""
        return asyncio.run(self._complete(prompt, transform_schema(schema)))

    def preflight(self, system: str, text: str) -> ModelFacts:
        """What the API says of the model and of such a prompt; LLMUnavailable when it cannot be asked."""
        return asyncio.run(self._preflight(system, text))

    async def _preflight(self, system: str, text: str) -> ModelFacts:
        model = self._config.model
        try:
            async with AsyncAnthropic(max_retries=2, base_url=self._base_url) as client, asyncio.timeout(LOOK_S):
                info = await client.models.retrieve(model)
                counted = await client.messages.count_tokens(
                    model=model, system=system, messages=[{"role": "user", "content": text}]
                )
        except TROUBLE as error:
            raise LLMUnavailable(explain(error, self._config)) from error
        return ModelFacts(
            max_input_tokens=info.max_input_tokens,
            max_tokens=info.max_tokens,
            lifecycle=info.lifecycle or "active",
            lacking=_lacking(info.capabilities, self._config),
            prompt_tokens=counted.input_tokens,
        )

    async def _complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        tries: list[Try] = []
        retries = AsyncRetrying(
            stop=self._stop,
            wait=wait_random_exponential(multiplier=min(2.0, self._wait), max=self._wait),
            retry=retry_if_exception(is_passing),
            reraise=True,
        )
        try:
            async with AsyncAnthropic(max_retries=0, base_url=self._base_url) as client:
                completion: Completion = await retries(self._try, client, prompt, schema, tries)
        except TROUBLE as error:
            raise LLMUnavailable(explain(error, self._config), not is_passing(error), tuple(tries)) from error
        return replace(completion, tries=tuple(tries))

    async def _try(
        self, client: AsyncAnthropic, prompt: Prompt, schema: dict[str, Any], tries: list[Try]
    ) -> Completion:
        """Ask once and note how it went."""
        began = time.monotonic()
        try:
            completion = await self._ask(client, prompt, schema)
        except TROUBLE as error:
            number = error.request_id if isinstance(error, APIStatusError) else None
            tries.append(Try(_type(error), round(time.monotonic() - began, 3), number))
            raise
        seconds = round(time.monotonic() - began, 3)
        tries.append(Try("ok", seconds, completion.request_id, completion.usage, completion.cost_usd))
        return completion

    async def _ask(self, client: AsyncAnthropic, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        async with asyncio.timeout(self._config.deadline_s):
            async with client.messages.stream(
                model=self._config.model,
                max_tokens=self._config.max_tokens,
                system=[
                    {
                        "type": "text",
                        "text": prompt.system,
                        "cache_control": {"type": "ephemeral", "ttl": "1h"},
                    }
                ],
                messages=_messages(prompt),
                thinking={"type": "adaptive"},
                output_config={"effort": self._config.effort, "format": {"type": "json_schema", "schema": schema}},
            ) as stream:
                message = await stream.get_final_message()
                return _completion(message, stream.request_id)


def _lacking(capabilities: ModelCapabilities | None, config: ClaudeConfig) -> tuple[str, ...]:
    """What the campaign needs and the model says it cannot do."""
    if capabilities is None:
        return ()
    needs: dict[str, Any] = {"structured outputs": capabilities.structured_outputs, "thinking": capabilities.thinking}
    if config.pictures:
        needs["pictures (claude.pictures)"] = capabilities.image_input
    effort = capabilities.effort
    lacking = [name for name, support in needs.items() if support is not None and not support.supported]
    level = getattr(effort, config.effort, None) if effort is not None else None
    if level is not None and not level.supported:
        lacking.append(f"effort {config.effort}")
    return tuple(lacking)


def _messages(prompt: Prompt) -> list[Any]:
    """Earlier turns, then this prompt; pictures stand before the text, each under its name."""
    turns: list[Any] = [{"role": turn.role, "content": turn.text or "(empty reply)"} for turn in prompt.turns]
    pictures: list[Any] = []
    for name, data in prompt.images:
        source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(data).decode()}
        pictures += [{"type": "text", "text": name}, {"type": "image", "source": source}]
    if turns:
        # The pictures belong to the first turn of the conversation, so that its beginning stays the same.
        turns[0] = {"role": "user", "content": [*pictures, {"type": "text", "text": prompt.turns[0].text}]}
        pictures = []
    return [*turns, {"role": "user", "content": [*pictures, {"type": "text", "text": prompt.text}]}]


def _completion(message: Message, request_id: str | None) -> Completion:
    usage = message.usage.model_dump(mode="json", exclude_none=True)
    return Completion(
        text="".join(block.text for block in message.content if block.type == "text"),
        stop_reason=message.stop_reason,
        usage=usage,
        cost_usd=price(message.model, usage),
        request_id=request_id,
        model=message.model,
    )


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed later: overload, rate limit, a broken connection; never a spend limit."""
    if isinstance(error, APIStatusError):
        if "spend_limit" in str(error.error_code):
            return False
        late = error.status_code == 200 and error.type in PASSING_TYPES
        return late or error.status_code in PASSING_STATUS or error.status_code >= 500
    return isinstance(error, APIConnectionError | httpx2.HTTPError | TimeoutError)


def explain(error: Exception, config: ClaudeConfig) -> str:
    """Why there is no reply, and the way out, in one sentence that never holds the key."""
    number = f" (request {error.request_id})" if isinstance(error, APIStatusError) and error.request_id else ""
    if isinstance(error, APIStatusError) and "spend_limit" in str(error.error_code):
        return f"the spend limit of the Anthropic account is reached{number}; raise it, then run the same command again"
    if isinstance(error, AuthenticationError | PermissionDeniedError):
        return f"Anthropic refused the key in {KEY}{number}; set a valid one, then run the same command again"
    if isinstance(error, PaymentRequiredError):
        return f"the Anthropic account has no credit{number}; add some, then run the same command again"
    if isinstance(error, NotFoundError):
        return f"claude.model {config.model} is not known to Anthropic{number}; correct it in the campaign"
    if isinstance(error, BadRequestError) or (isinstance(error, APIStatusError) and error.status_code == 413):
        return (
            f"Anthropic cannot take the request{number}: {_type(error)}; set claude.pictures: false or see the journal"
        )
    if isinstance(error, TimeoutError):
        return f"no whole reply within claude.deadline_s = {config.deadline_s:g} s; run the same command again later"
    return f"Claude cannot be reached{number} ({_type(error)}); run the same command again later, nothing is lost"


def _type(error: Exception) -> str:
    named = error.type if isinstance(error, APIStatusError) else None
    return str(named or type(error).__name__)
