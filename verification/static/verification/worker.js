// Verifies in the background, so that the page stays responsive, and then answers questions about the entries.

import { verify } from "./checks.js";
import { Flaw } from "./flaw.js";
import { findTicket, judgeProof } from "./tickets.js";

let loaded = { entries: null, picks: null };

const TASKS = {
  /** `bundle` and `entries` are addresses on this site, or files. */
  async verify({ bundle, entries }) {
    const tell = {
      check: (check) => postMessage({ kind: "check", check }),
      progress: (rows) => postMessage({ kind: "progress", rows }),
    };
    const report = await verify(wholeOf(bundle), chunksOf(entries), tell);
    loaded = { entries: report.entries, picks: report.bundle?.picks ?? null };
    postMessage({ kind: "report", report: summary(report) });
  },
  ticket({ text }) {
    postMessage({ kind: "answer", answer: findTicket(text, loaded.entries, loaded.picks) });
  },
  proof({ text, facts }) {
    postMessage({ kind: "answer", answer: judgeProof(text, facts) });
  },
};

onmessage = ({ data }) => TASKS[data.task](data);

function summary({ verified, checks, notes, bundle, promise, entries }) {
  return {
    verified,
    checks,
    notes,
    searchable: entries !== null,
    title: promise?.title,
    sequence: promise?.sequence,
    raffle: bundle?.raffle,
    root: bundle?.entries.root,
    tickets: bundle?.entries.tickets,
    picks: bundle?.picks.map(({ position, role, ticket, entry_id: entryId }) => ({ position, role, ticket, entryId })),
  };
}

async function opened(source) {
  if (source instanceof Blob) return source.stream();
  let answer;
  try {
    answer = await fetch(source, { headers: { Accept: "application/json, text/csv" } });
  } catch {
    throw new Flaw("it could not be downloaded: is there a connection?");
  }
  if (!answer.ok) throw new Flaw(`it could not be downloaded: the server answers ${answer.status}`);
  return answer.body;
}

async function* chunksOf(source) {
  const reader = (await opened(source)).getReader();
  try {
    for (;;) {
      let step;
      try {
        step = await reader.read();
      } catch {
        throw new Flaw("it could not be read to its end");
      }
      if (step.done) return;
      yield step.value;
    }
  } finally {
    reader.cancel().catch(() => {}); // whether the source minds does not matter any more
  }
}

async function wholeOf(source) {
  const chunks = [];
  for await (const chunk of chunksOf(source)) chunks.push(chunk);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
