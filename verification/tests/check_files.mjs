// Runs the page's checks under node: reads `[{bundle, entries}]` (base64) as JSON on standard input, and writes what
// checks.js says of each.

import { verify } from "../static/verification/checks.js";

const cases = JSON.parse(await new Response(process.stdin).text());
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const reports = [];
for (const { bundle, entries } of cases) {
  const file = bytes(entries);
  // Cut where no line ends, as a download is.
  const chunks = Array.from({ length: Math.ceil(file.length / 50) }, (_, n) => file.subarray(50 * n, 50 * n + 50));
  const report = await verify(bytes(bundle), chunks, { check() {}, progress() {} });
  reports.push({ verified: report.verified, checks: report.checks, notes: report.notes });
}
process.stdout.write(JSON.stringify(reports));
