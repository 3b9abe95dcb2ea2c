// Section 7 of the protocol: the bundle, and how far its draw has come.

import { Flaw, Unreadable } from "./flaw.js";
import { parseJson } from "./json.js";
import { BUNDLE, conform } from "./shapes.js";

export const BUNDLE_BYTES_MAX = 16 * 1024 * 1024;

export function readBundle(data) {
  if (data.length > BUNDLE_BYTES_MAX) throw new Unreadable(`larger than ${BUNDLE_BYTES_MAX} bytes`);
  const text = decoded(data);
  if (text.startsWith("entry_id,")) throw new Unreadable("this is the entries file: the files seem to be swapped");
  if (text.startsWith("kind,")) throw new Unreadable("this is the log: the files seem to be swapped");
  const bundle = parseJson(text);
  conform(bundle, BUNDLE, "bundle");
  return [bundle, `${data.length} bytes, every member of section 7 and no other`];
}

function decoded(data) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new Unreadable("not UTF-8");
  }
}

/** How far the draw has come: "published", "committed" (its round is awaited) or "drawn". Flaw if what the bundle
 * holds does not go together, or not with the anchor that was promised. */
export function stageOf(bundle, promise) {
  const { place, beacon, seed, picks, settlement } = bundle;
  const isCommitted = place.committed_at !== null;
  const isDrawn = seed !== null;
  const isAnchored = promise.anchor !== null;
  const together = [
    // While the round is awaited its number may be given or not: it follows from the commitment's time.
    ["beacon.round", beacon.round !== null, isDrawn || (isCommitted && beacon.round !== null)],
    ["beacon.signature", beacon.signature !== null, isDrawn],
    ["beacon.randomness", beacon.randomness !== null, isDrawn],
    ["picks", picks.length > 0, isDrawn],
    ["place.announce", place.announce !== null, isAnchored],
    ["place.commit", place.commit !== null, isAnchored && isCommitted],
  ];
  if (isDrawn && !isCommitted) throw new Flaw("drawn, but never committed");
  for (const [name, isThere, isDue] of together) {
    if (isThere && !isDue) throw new Flaw(`${name} is given, which this draw has not, or not yet`);
    if (!isThere && isDue) throw new Flaw(`${name} is missing`);
  }
  if (settlement !== null && !(isAnchored && isDrawn)) throw new Flaw("settled, but not drawn, or without a chain");
  if (isDrawn) return "drawn";
  return isCommitted ? "committed" : "published";
}
