// Files to check, read in bounded pieces: from this site, or chosen by the visitor.

import { BUNDLE_BYTES_MAX } from "./bundle.js";
import { Unreadable } from "./flaw.js";

const MB = 1_000_000;
const CSV_BYTES_MAX = 250 * MB; // some two million rows: what a browser's memory holds; verifier.py takes more

/** The whole of a bundle, as bytes. Unreadable if it cannot be had, or is too large. */
export async function wholeOf(source) {
  const chunks = [];
  for await (const chunk of bounded(source, BUNDLE_BYTES_MAX)) chunks.push(chunk);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** The chunks of an entries file or a log. Unreadable as above. */
export const chunksOf = (source) => bounded(source, CSV_BYTES_MAX);

async function* bounded(source, limit) {
  const reader = (await opened(source, limit)).getReader();
  let size = 0;
  try {
    for (let step = await next(reader); !step.done; step = await next(reader)) {
      size += step.value.length;
      if (size > limit) throw tooLarge(limit);
      yield step.value;
    }
  } finally {
    reader.cancel().catch(() => {}); // whether the source minds does not matter any more
  }
}

async function next(reader) {
  try {
    return await reader.read();
  } catch {
    throw new Unreadable("it could not be read to its end: the connection broke off");
  }
}

const tooLarge = (limit) =>
  new Unreadable(`it is larger than ${Math.round(limit / MB)} MB; verifier.py takes larger files than a browser does`);

async function opened(source, limit) {
  if (source instanceof Blob) {
    if (source.size > limit) throw tooLarge(limit);
    return source.stream();
  }
  const answer = await downloaded(source);
  if (Number(answer.headers.get("Content-Length")) > limit) {
    answer.body.cancel().catch(() => {});
    throw tooLarge(limit);
  }
  return answer.body;
}

async function downloaded(address) {
  let answer;
  try {
    answer = await fetch(address, { headers: { Accept: "application/json, text/csv" } });
  } catch {
    throw new Unreadable("it could not be downloaded: there seems to be no connection");
  }
  if (answer.ok) return answer;
  const why = { 429: "too many requests: wait a minute", 503: "the server is busy: wait a minute" }[answer.status];
  throw new Unreadable(`it could not be downloaded: ${why ?? `the server answers ${answer.status}`}`);
}
