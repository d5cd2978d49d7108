"""Anthropic's models through its SDK, at Anthropic itself, at Bedrock or at Vertex: a `Provider`."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

from anthropic import AsyncAnthropic, AsyncAnthropicBedrock, AsyncAnthropicVertex, transform_schema

from agent.claude.anthropic_errors import trouble_of
from agent.claude.prices import price, saved_by_cache
from agent.claude.protocol import Completion, ModelFacts
from agent.claude.provider import Request, Trouble
from agent.claude.ways import WAYS
from state.claude import ClaudeConfig

if TYPE_CHECKING:
    from anthropic.types import Message, ModelCapabilities

LOOK_S = 60.0
# A model is told about in tokens; where they cannot be counted, a token is about so many characters.
CHARACTERS_PER_TOKEN = 3.5


class AnthropicApi:
    """Keeps the protocol; ``base_url`` is for tests and proxies."""

    def __init__(self, config: ClaudeConfig, base_url: str | None = None) -> None:
        self._config, self._base_url, self._way = config, base_url, WAYS[config.via]

    def require_access(self) -> None:
        """UserError naming the variable or library that is missing."""
        self._way.require()

    def _client(self, retries: int = 0) -> Any:
        """A client of the SDK; its own retries heed `retry-after` without a limit, so they are off."""
        if self._config.via == "bedrock":
            return AsyncAnthropicBedrock(max_retries=retries, base_url=self._base_url)
        if self._config.via == "vertex":
            return AsyncAnthropicVertex(max_retries=retries, base_url=self._base_url)
        return AsyncAnthropic(max_retries=retries, base_url=self._base_url)

    async def ask(self, request: Request) -> Completion:
        """One streamed request; a probe is told to end after a token."""
        shape = {} if request.schema is None else {"format": _schema(request.schema)}
        wanted: dict[str, Any] = {"output_config": shape, "max_tokens": 1}
        if not request.probe:
            effort = {"effort": self._config.effort, **shape}
            wanted = {
                "output_config": effort,
                "max_tokens": self._config.max_tokens,
                "thinking": {"type": "adaptive"},
            }
        system = [{"type": "text", "text": request.system, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
        wanted |= {"model": request.model, "system": system, "messages": _messages(request)}
        limit = asyncio.timeout(self._config.deadline_s)
        async with limit, self._client() as client, client.messages.stream(**wanted) as stream:
            return _completion(await stream.get_final_message(), stream.request_id)

    async def look(self, model: str, system: str, text: str) -> ModelFacts:
        """What the service says; Bedrock counts no tokens, and only Anthropic itself describes its models."""
        tokens = round(len(system + text) / CHARACTERS_PER_TOKEN)
        if self._config.via == "bedrock":
            return ModelFacts(None, None, "active", (), tokens)
        async with self._client(retries=2) as client, asyncio.timeout(LOOK_S):
            counted = await client.messages.count_tokens(
                model=model, system=system, messages=[{"role": "user", "content": text}]
            )
            if self._config.via == "vertex":
                return ModelFacts(None, None, "active", (), int(counted.input_tokens))
            info = await client.models.retrieve(model)
            return ModelFacts(
                max_input_tokens=info.max_input_tokens,
                max_tokens=info.max_tokens,
                lifecycle=info.lifecycle or "active",
                lacking=_lacking(info.capabilities, self._config),
                prompt_tokens=int(counted.input_tokens),
            )

    def trouble(self, error: Exception, model: str) -> Trouble:
        """Class, status and words of the error decide; what is none of the service's own is the network's."""
        return trouble_of(error, model, self._way, self._config.deadline_s)


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "schema": transform_schema(schema)}


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


def _messages(request: Request) -> list[Any]:
    """Earlier turns, then this prompt; pictures stand before the text, each under its name."""
    turns: list[Any] = [{"role": turn.role, "content": turn.text or "(empty reply)"} for turn in request.turns]
    pictures: list[Any] = []
    for name, data in request.images:
        source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(data).decode()}
        pictures += [{"type": "text", "text": name}, {"type": "image", "source": source}]
    if turns:
        # The pictures belong to the first turn of the conversation, so that its beginning stays the same.
        turns[0] = {"role": "user", "content": [*pictures, {"type": "text", "text": request.turns[0].text}]}
        pictures = []
    return [*turns, {"role": "user", "content": [*pictures, {"type": "text", "text": request.text}]}]


def _completion(message: Message, request_id: str | None) -> Completion:
    usage = message.usage.model_dump(mode="json", exclude_none=True)
    return Completion(
        text="".join(block.text for block in message.content if block.type == "text"),
        stop_reason=message.stop_reason,
        usage=usage,
        cost_usd=price(message.model, usage),
        saved_usd=saved_by_cache(message.model, usage),
        request_id=request_id,
        model=message.model,
    )
