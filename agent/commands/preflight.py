"""Looks at key, model, prompt and price before anything is trained, and estimates what the night will take."""

from __future__ import annotations

from agent.briefing.context import build_context
from agent.claude.prices import price
from agent.claude.protocol import ModelFacts
from agent.ledger.budget import batches_left
from agent.ledger.ledger import Ledger
from prompts.render import render_prompt, render_system
from state.claude import ClaudeConfig
from state.errors import ConfigError
from state.evening import Budget

# Rough sizes for a night that has no batch behind it yet; afterwards the journal's own figures are used.
PICTURE_TOKENS = 1_600
SLOT_TOKENS = 700
REPLY_TOKENS = 9_000


def next_prompt(ledger: Ledger) -> tuple[str, str]:
    """System and text of the latest prompt, or of the start prompt while there is none."""
    # In the middle of a batch there is none that could be made, and the last one is about as long.
    if (prompt := ledger.history.prompt) is not None:
        return ledger.blobs.text(prompt["system"]), ledger.blobs.text(prompt["text"])
    context = build_context(ledger)
    return render_system(context), render_prompt(context)


def refuse_unfit(facts: ModelFacts, config: ClaudeConfig, budget: Budget) -> None:
    """ConfigError when the night could not be carried through with this model."""
    if facts.lifecycle == "retired" or facts.lacking:
        why = "is retired" if facts.lifecycle == "retired" else f"cannot do {', '.join(facts.lacking)}"
        raise ConfigError(f"claude.model {config.model} {why}; choose another model in the campaign")
    if facts.max_tokens is not None and config.max_tokens > facts.max_tokens:
        most = f"the {facts.max_tokens:,} that {config.model} can write"
        raise ConfigError(f"claude.max_tokens {config.max_tokens:,} is more than {most}; lower it")
    if facts.max_input_tokens is not None and facts.prompt_tokens + config.max_tokens > facts.max_input_tokens:
        raise ConfigError(
            f"the prompt has {facts.prompt_tokens:,} tokens and claude.max_tokens is {config.max_tokens:,}, together "
            f"more than the {facts.max_input_tokens:,} of {config.model}; lower max_tokens or set pictures: false"
        )
    if budget.max_dollars is not None and price(config.model, {"input_tokens": 1, "output_tokens": 1}) is None:
        raise ConfigError(
            f"budget.max_dollars cannot be kept: the price of {config.model} is unknown; use budget.max_tokens instead"
        )


def unlimited(budget: Budget) -> str:
    """A warning when nothing of ``budget`` ends a night that is paid for; else ''."""
    if any(value is not None for value in budget.model_dump().values()):
        return ""
    return (
        "no budget is set: Claude is asked, and paid, until somebody stops the night; set budget.max_dollars or "
        "budget.finish_by in the campaign, or give --finish-by or --batches"
    )


def estimate(facts: ModelFacts, ledger: Ledger, budget: Budget) -> list[str]:
    """Model and night in two lines: tokens, dollars, and batches until the budget ends it."""
    config = ledger.campaign.claude
    usage = {"input_tokens": 0, "output_tokens": 1_000_000}, {"input_tokens": 1_000_000, "output_tokens": 0}
    out, into = (price(facts.model or config.model, kind) for kind in usage)
    rate = "price unknown" if out is None or into is None else f"${into:g} in and ${out:g} out a million tokens"
    known = facts.max_input_tokens
    room = f" of {known:,}" if known is not None else ""
    tokens, dollars, source = _batch(facts, ledger)
    batches = batches_left(ledger, budget, dollars, tokens)
    cost = "cost unknown" if dollars is None else f"${dollars:.2f}"
    money = "" if dollars is None or batches is None else f", ${batches * dollars:.2f} in all"
    total = "" if batches is None else f"; the budget allows {batches} batches{money}"
    model = facts.model or config.model
    lines = [f"claude.model {config.model} is not there; claude.fallback_model is asked"] * (model != config.model)
    lines += [f"the service takes the schema of the reply in the form {facts.form} only"] * (facts.form != "full")
    return [
        *lines,
        f"Claude: {model} is there; the prompt has {facts.prompt_tokens:,}{room} tokens; {rate}",
        f"a batch takes about {tokens:,} tokens, {cost} ({source}){total}",
    ]


def _batch(facts: ModelFacts, ledger: Ledger) -> tuple[int, float | None, str]:
    """Tokens and dollars of one batch, and where the figures come from."""
    typical, config, slots = ledger.spending.typical(), ledger.campaign.claude, ledger.campaign.search.n_parallel
    if typical is not None and typical[2]:
        return typical[2], None if ledger.spending.unpriced else typical[1], "median of the last batches"
    pictures = 2 * PICTURE_TOKENS * slots if config.pictures else 0
    into = facts.prompt_tokens + slots * SLOT_TOKENS + pictures
    usage = {"input_tokens": into, "output_tokens": REPLY_TOKENS}
    return into + REPLY_TOKENS, price(config.model, usage), "a guess before the first batch"
