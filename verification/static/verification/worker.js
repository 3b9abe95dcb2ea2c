// Verifies in the background, so that the page stays responsive, and then answers questions about the entries.

import { verify } from "./checks.js";
import { chunksOf, wholeOf } from "./files.js";
import { summarise } from "./summary.js";
import { answer } from "./tickets.js";

const PROGRESS_MS = 100; // no more often: showing it costs more than reading does

let found = { bundle: null, promise: null, entries: null, log: null, purchases: null, stage: null };

const TASKS = {
  /** `bundle`, `entries` and `log` are addresses on this site, or files; `log` may be null. */
  async verify({ bundle, entries, log }) {
    let told = 0;
    const tell = {
      check: (check) => postMessage({ kind: "check", check }),
      progress(file, rows) {
        if (performance.now() < told + PROGRESS_MS) return;
        told = performance.now();
        postMessage({ kind: "progress", file, rows });
      },
    };
    const files = { bundle: wholeOf(bundle), entries: chunksOf(entries), log: log && chunksOf(log) };
    found = await verify(files, tell);
    postMessage({ kind: "report", summary: summarise(found, log !== null) });
  },
  ask({ text }) {
    postMessage({ kind: "answer", answer: answer(text, found) });
  },
};

onmessage = ({ data }) => TASKS[data.task](data);
