// Runs the page's checks under node: reads `[{bundle, entries, log, texts, nodes, beacon}]` (files in base64, `log` and
// `beacon` null where none is given) as JSON on standard input, and writes what the page would say of each: its checks and verdict, its
// answers to `texts`, and the verdict once `nodes` were asked for the place.

import { verify } from "../static/verification/checks.js";
import { checkNamed } from "../static/verification/named.js";
import { checkPlace } from "../static/verification/place.js";
import { summarise } from "../static/verification/summary.js";
import { answer } from "../static/verification/tickets.js";
import { judge } from "../static/verification/verdict.js";

const cases = JSON.parse(await new Response(process.stdin).text());
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const reports = [];

/** Cut where no line ends, as a download is. */
function chunks(file) {
  return Array.from({ length: Math.ceil(file.length / 50) }, (_, n) => file.subarray(50 * n, 50 * n + 50));
}

for (const { bundle, entries, log, texts, nodes, beacon } of cases) {
  const files = { bundle: bytes(bundle), entries: chunks(bytes(entries)), log: log === null ? null : chunks(bytes(log)) };
  const found = await verify(files, { check() {}, progress() {} });
  const summary = summarise(found, log !== null);
  const place = nodes && summary.place ? await checkPlace(nodes, summary.place) : null;
  const answers = texts.map((text) => answer(text, found));
  const convictions = answers.map(({ conviction }) => conviction).filter(Boolean);
  const named = beacon === null ? null : checkNamed(beacon, summary.promisedBeacon);
  reports.push({ ...judge(summary, place, convictions, named), named, checks: summary.checks, summary, place, answers });
}
process.stdout.write(JSON.stringify(reports));
