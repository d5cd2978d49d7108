"""The real Claude behind `LLMClient`: patience, smaller forms of the schema, another model; it knows no vendor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
    wait_random_exponential,
)

from agent.claude.anthropic_api import AnthropicApi
from agent.claude.clock import moment_after
from agent.claude.forms import Form, enforced, smaller, told
from agent.claude.protocol import Completion, LLMUnavailable, ModelFacts, Prompt, Try
from agent.claude.provider import Provider, Request, Trouble, request_for
from state.claude import ClaudeConfig

# A named moment is no moment to be early at.
LATER_S = 1.0


class Refused(Exception):
    """One request that brought no reply."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.sentence)
        self.trouble = trouble

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.trouble.cure == "passing"


class ClaudeClient:
    """Asks the campaign's model. ``base_url`` and the waits are for tests; retries are capped and jittered."""

    def __init__(
        self,
        config: ClaudeConfig,
        base_url: str | None = None,
        tries: int | None = None,
        longest_wait_s: float = 60.0,
        provider: Provider | None = None,
    ) -> None:
        self._provider: Provider = provider or AnthropicApi(config, base_url)
        self._provider.require_access()
        self._config, self._longest_wait_s = config, longest_wait_s
        patience = stop_before_delay(60 * config.patience_minutes)
        self._stop = patience if tries is None else stop_any(patience, stop_after_attempt(tries))
        self._form: Form = "full"
        self._gone: set[str] = set()

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        """The reply; LLMUnavailable says in one sentence why there is none and what to do."""
        return asyncio.run(self._complete(prompt, schema))

    def preflight(self, system: str, text: str, schema: dict[str, Any]) -> ModelFacts:
        """What the service says of the model, of such a prompt and of the schema; LLMUnavailable when it says no.

        The schema costs at most one token of a reply; where it is refused, the largest form that is taken is used.
        """
        return asyncio.run(self._preflight(system, text, schema))

    async def _preflight(self, system: str, text: str, schema: dict[str, Any]) -> ModelFacts:
        *others, last = self._models()
        for model in (*others, last):
            try:
                facts = await self._provider.look(model, system, text)
                if facts.lifecycle != "retired" or model == last:
                    break
                self._gone.add(model)
            # Whatever a library or a proxy comes up with, to a night it is the same: no answer.
            except Exception as error:
                trouble = self._provider.trouble(error, model)
                if trouble.cure != "model" or model == last:
                    raise LLMUnavailable(trouble.sentence) from error
                self._gone.add(model)
        await self._try_schema(model, schema)
        return replace(facts, model=model, form=self._form)

    async def _try_schema(self, model: str, schema: dict[str, Any]) -> None:
        """Find the largest form that is taken. Passing trouble is left to the first request, which has patience."""
        while (sent := enforced(schema, self._form)) is not None:
            try:
                await self._provider.ask(Request(model, "Reply.", (), "{}", (), sent, probe=True))
                return
            except Exception as error:
                trouble = self._provider.trouble(error, model)
                if trouble.cure == "person":
                    raise LLMUnavailable(trouble.sentence) from error
                if trouble.cure != "schema":
                    return
            self._step_down()

    def _models(self) -> list[str]:
        """The models to ask, in order, without those that are known to be gone; never empty."""
        named = [self._config.model, *filter(None, [self._config.fallback_model])]
        return [model for model in named if model not in self._gone] or named[-1:]

    def _step_down(self) -> bool:
        """Take the next smaller form; False when there is none."""
        form = smaller(self._form)
        self._form = form or self._form
        return form is not None

    async def _complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        tries: list[Try] = []
        models = self._models()
        for model in models:
            last = model == models[-1]
            try:
                completion = await self._patiently(model, prompt, schema, tries)
            except Refused as refused:
                trouble = refused.trouble
                if trouble.cure == "model" and not last:
                    self._gone.add(model)
                if last or trouble.cure not in ("model", "passing"):
                    raise self._unavailable(trouble, tries) from refused
            else:
                # The model refuses this prompt, and has done so before: another one may take it.
                if last or not (prompt.refused_before and completion.stop_reason == "refusal"):
                    return replace(completion, tries=tuple(tries))
                tries[-1] = replace(tries[-1], outcome="refusal")
        raise AssertionError("the last model either answers or raises")

    def _unavailable(self, trouble: Trouble, tries: list[Try]) -> LLMUnavailable:
        until = None if trouble.wait_s is None else moment_after(trouble.wait_s + LATER_S)
        told = f"{trouble.sentence} (the service says that it answers again at {until})" if until else trouble.sentence
        return LLMUnavailable(told, trouble.cure != "passing", tuple(tries), until)

    async def _patiently(self, model: str, prompt: Prompt, schema: dict[str, Any], tries: list[Try]) -> Completion:
        """Ask one model until it answers, is no help, or the patience is over. A named time is waited for exactly."""
        retries = AsyncRetrying(
            stop=self._stop,
            wait=_wait(self._longest_wait_s),
            retry=retry_if_exception(lambda error: isinstance(error, Refused) and error.passing),
            reraise=True,
        )
        completion: Completion = await retries(self._in_some_form, model, prompt, schema, tries)
        return completion

    async def _in_some_form(self, model: str, prompt: Prompt, schema: dict[str, Any], tries: list[Try]) -> Completion:
        """Ask once; where the schema is refused, before anything is billed, at once in the next smaller form."""
        while True:
            try:
                return await self._try(model, prompt, schema, tries)
            except Refused as refused:
                if refused.trouble.cure != "schema" or not self._step_down():
                    raise

    async def _try(self, model: str, prompt: Prompt, schema: dict[str, Any], tries: list[Try]) -> Completion:
        """Ask once and note how it went."""
        began, form = time.monotonic(), self._form
        request = request_for(prompt, model, told(prompt.system, schema, form), enforced(schema, form))
        try:
            completion = replace(await self._provider.ask(request), form=form)
        except Exception as error:
            trouble = self._provider.trouble(error, model)
            seconds = round(time.monotonic() - began, 3)
            tries.append(Try(trouble.outcome, seconds, trouble.request_id, model=model, form=form))
            raise Refused(trouble) from error
        seconds = round(time.monotonic() - began, 3)
        used = completion.usage, completion.cost_usd
        tries.append(Try("ok", seconds, completion.request_id, *used, model=model, form=form))
        return completion


def _wait(longest_s: float) -> Callable[[RetryCallState], float]:
    """Seconds until the next try: as the service says, else growing and with jitter."""
    growing = wait_random_exponential(multiplier=min(2.0, longest_s), max=longest_s)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        named = error.trouble.wait_s if isinstance(error, Refused) else None
        # A service in trouble may say 0.
        return growing(state) if not named else named + min(LATER_S, longest_s)

    return wait
