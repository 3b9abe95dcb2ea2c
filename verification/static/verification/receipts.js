// Section 3 of the protocol: what a receipt or a head, both signed by the operator, says about the files checked here.

import { roundTime } from "./beacon.js";
import { equalBytes, fromHex, joined, toHex, u64, utf8, uuidBytes } from "./bytes.js";
import { isSigned } from "./ed25519.js";
import { Flaw, NotChecked, same } from "./flaw.js";
import { parseJson } from "./json.js";
import { KIND } from "./log.js";
import { sha256 } from "./sha256.js";
import { HEAD, PROTOCOL, RECEIPT, conform } from "./shapes.js";
import { entryBytes, leafHash } from "./trees.js";

export const SIGNED_BYTES_MAX = 16 * 1024; // a receipt has some 700

/** The receipt or head in this text: `["receipt" | "head", value]`. Flaw if it is neither. */
export function readSigned(text) {
  if (text.length > SIGNED_BYTES_MAX) throw new Flaw("it is too long");
  let found;
  try {
    found = parseJson(text);
  } catch (error) {
    throw new Flaw(error.message);
  }
  const isHead = typeof found === "object" && found !== null && "root" in found;
  conform(found, isHead ? HEAD : RECEIPT, isHead ? "head" : "receipt");
  return [isHead ? "head" : "receipt", found];
}

/** What became of a receipt's entry in the draw that these files are of: one of "in", "withdrawn", "left out",
 * "another manifest's", "contradicting" (another manifest's for the same raffle, under the same key). Flaw if it is no
 * receipt, NotChecked if the files needed could not be read. */
export function judgeReceipt(receipt, { bundle, promise, entries, log, purchases }) {
  if (promise === null) throw new NotChecked("the promise could not be read");
  const ours = receipt.manifest_hash === toHex(sha256(utf8(bundle.manifest)));
  same(receipt.protocol, PROTOCOL, "its protocol");
  const isGenuine = isSigned(receipt.signature, signedText(receipt), promise.receipt_key);
  if (!ours) return isGenuine && receipt.raffle === promise.raffle ? "contradicting" : "another manifest's";
  if (!isGenuine) throw new Flaw("its signature is not the operator's");
  // Whatever raffle it names: an operator who signs another's beside this promise must not get out of it by that.
  if (entries === null) throw new NotChecked("the entries could not be read");
  const entry = entries.withId(receipt.entry_id);
  if (entry !== null && equalBytes(entries.record(entry.place), entryBytes(receipt))) return "in";
  if (log === null) throw new NotChecked("it is not among the entries; whether it was withdrawn, only the log says");
  return isWithdrawn(receipt, log, purchases) ? "withdrawn" : "left out";
}

function isWithdrawn(receipt, log, purchases) {
  if (purchases !== null) {
    const place = purchases.find(uuidBytes(receipt.entry_id));
    return place !== -1 && purchases.isWithdrawn(place) && equalBytes(log.entry(place), entryBytes(receipt));
  }
  // The log breaks its rules, and is read leaf by leaf.
  for (let place = 0; place < Math.min(log.size, log.length); place += 1) {
    if (log.kind(place) === KIND.WITHDRAWN && equalBytes(log.entry(place), entryBytes(receipt))) return true;
  }
  return false;
}

function signedText(receipt) {
  const data = joined(new Uint8Array([KIND.ENTERED]), entryBytes(receipt), u64(receipt.at));
  const of = joined(uuidBytes(receipt.raffle), fromHex(receipt.manifest_hash));
  return joined(utf8("luxewin/receipt/v2"), of, leafHash(data));
}

/** Is the nonce that the server made for a buyer the one of its holder? True also where the buyer's device made it. */
export function fitsHolder({ nonce, holder }) {
  return nonce === null || toHex(sha256(fromHex(nonce))) === holder;
}

/** Holds a head against the log: "kept" if the log goes on from it, else why it does not, which convicts the operator.
 * Flaw if it is no head of this raffle, NotChecked without the log. */
export function judgeHead(head, { bundle, promise, log, stage }) {
  if (promise === null) throw new NotChecked("the promise could not be read");
  const of = joined(utf8("luxewin/head/v2"), sha256(utf8(bundle.manifest)));
  const signed = joined(of, u64(head.size), fromHex(head.root), u64(head.at));
  if (!isSigned(head.signature, signed, promise.receipt_key)) throw new Flaw("its signature is not the operator's");
  if (log === null) throw new NotChecked("the log could not be read");
  const isEarly = stage === "drawn" && head.at < roundTime(promise.beacon, bundle.beacon.round);
  if (isEarly && head.size > log.size) {
    return `it is of before the draw and counts ${head.size} leaves, but only ${log.size} were committed to`;
  }
  if (head.size > log.length) {
    throw new NotChecked(`it counts ${head.size} leaves, this log only ${log.length}: load the page again`);
  }
  if (toHex(log.rootOf(head.size)) !== head.root) return `the log's first ${head.size} leaves are not those it was signed over`;
  for (let place = 0; place < head.size; place += 1) {
    if (log.at(place) > head.at) return `leaf ${place} of the log is dated after it`;
  }
  return "kept";
}
