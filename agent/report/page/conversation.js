// What was said about a batch: prompts, replies, and what became of them.

function blobText(title, name) {
  const text = data.texts[name];
  if (text === null) return make("p", { class: "failed" }, `${title}: its blob is missing or damaged`);
  if (text === undefined) {
    return make(
      "p",
      {},
      make(
        "a",
        { href: data.base + "blobs/" + name, target: "_blank", rel: "noopener" },
        `${title} (in the run's folder)`,
      ),
    );
  }
  const fold = make("details", {}, make("summary", {}, `${title}, ${text.length.toLocaleString("en")} characters`));
  fold.addEventListener("toggle", () => {
    if (fold.open && fold.children.length === 1) fold.append(make("pre", {}, text));
  });
  return fold;
}

function fate(talk) {
  if (!talk.accepted) return talk.rejected ? "sent back" : "not yet judged";
  return talk.filled ? `accepted, ${talk.filled} slots filled by the program` : "accepted";
}

function answeredBy(talk) {
  const known = [
    talk.request && `request ${talk.request}`,
    talk.model,
    talk.seconds === null ? "" : `${talk.seconds.toFixed(1)} s`,
    talk.cost_usd === null ? "" : `$${talk.cost_usd.toFixed(4)}`,
  ].filter(Boolean);
  return make("p", { class: "quiet" }, known.join(" · "));
}

function conversation(batch, title) {
  const talks = data.talks.filter((talk) => talk.batch === batch);
  if (!talks.length) return [];
  const parts = [make("h3", {}, title)];
  for (const talk of talks) {
    parts.push(blobText("System prompt", talk.system), blobText(`Prompt (${talk.kind})`, talk.prompt));
    parts.push(
      talk.reply
        ? blobText(`Reply, ${fate(talk)}`, talk.reply)
        : make("p", {}, `No reply: ${talk.outcome || "waiting"}`),
      answeredBy(talk),
    );
  }
  return parts;
}
