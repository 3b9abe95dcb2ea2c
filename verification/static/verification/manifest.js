// Section 1 of the protocol: what is promised before the first sale.

import { toHex, utf8 } from "./bytes.js";
import { pointOfReceiptKey } from "./ed25519.js";
import { Flaw, Unreadable, same, shown } from "./flaw.js";
import { canonical, parseJson } from "./json.js";
import { sha256 } from "./sha256.js";
import { MANIFEST, PROTOCOL, conform, unixSeconds } from "./shapes.js";

const PICKS_MAX = 100;
const DURATIONS = ["claim_seconds", "delay_seconds", "commit_within_seconds", "void_after_seconds"];
const YEAR = 31_536_000;
const DAY = 86_400;
const WEEK = 604_800;
const DELAY_LEAST = 600;
export const DEVELOPMENT_CHAIN = 31337;

export function readManifest(bundle) {
  const manifest = parsed(bundle.manifest);
  if (typeof manifest !== "object" || manifest === null || Array.isArray(manifest)) {
    throw new Flaw("the manifest is not a JSON object");
  }
  return [manifest, `${utf8(bundle.manifest).length} bytes`];
}

/** What stands in a bundle that could be read is the operator's, not a file cut on its way. */
function parsed(text) {
  try {
    return parseJson(text);
  } catch (error) {
    throw error instanceof Unreadable ? new Flaw(error.message) : error;
  }
}

export function checkCanonical(bundle, manifest) {
  const [expected, found] = [canonical(manifest), bundle.manifest];
  if (expected !== found) {
    let place = 0;
    while (expected[place] === found[place]) place += 1;
    throw new Flaw(`not in RFC 8785 form from character ${place} on`);
  }
  return [true, "RFC 8785"];
}

export function checkManifestHash(bundle) {
  same(bundle.manifest_hash, toHex(sha256(utf8(bundle.manifest))), "manifest_hash");
  return [true, bundle.manifest_hash];
}

/** The manifest, once it has every member and keeps every rule. */
export function checkManifestContent(manifest) {
  conform(manifest, MANIFEST, "manifest");
  same(manifest.protocol, PROTOCOL, "manifest.protocol");
  checkNumbers(manifest);
  checkTimes(manifest);
  checkDurations(manifest);
  pointOfReceiptKey(manifest.receipt_key);
  const { prizes, alternates, sequence } = manifest;
  return [manifest, `${prizes.length} prizes, ${alternates} alternates, draw number ${sequence}`];
}

function checkNumbers({ prizes, alternates, capacity, max_per_person: most, min_tickets: least }) {
  if (!prizes.length) throw new Flaw("manifest.prizes is empty");
  prizes.forEach((prize, n) => same(prize.position, n + 1, `the position of prize ${n + 1}`));
  if (prizes.length + alternates > PICKS_MAX) throw new Flaw(`more than ${PICKS_MAX} prizes and alternates`);
  if (prizes.length > capacity) throw new Flaw(`${prizes.length} prizes, but only ${capacity} tickets`);
  if (least > capacity) throw new Flaw(`min_tickets is ${least}, more than the capacity, ${capacity}`);
  if (most > capacity) throw new Flaw(`max_per_person is ${most}, more than the capacity, ${capacity}`);
}

function checkTimes({ opens_at: opens, closes_at: closes, free_route: free }) {
  const [from, to] = [unixSeconds(opens), unixSeconds(closes)];
  if (from >= to) throw new Flaw(`opens_at ${opens} is not before closes_at ${closes}`);
  if (free !== null && (unixSeconds(free.until) <= from || unixSeconds(free.until) > to)) {
    throw new Flaw(`free_route.until ${shown(free.until)} is not within the sale`);
  }
}

function checkDurations(manifest) {
  for (const name of DURATIONS) {
    if (manifest[name] > YEAR) throw new Flaw(`${name} is ${manifest[name]}, more than ${YEAR}`);
  }
  const { claim_seconds: claim, delay_seconds: delay, void_after_seconds: voidAfter, anchor } = manifest;
  if (claim < DAY) throw new Flaw(`claim_seconds is ${claim}, less than ${DAY}`);
  if (anchor?.chain_id === DEVELOPMENT_CHAIN) return;
  if (delay < DELAY_LEAST) throw new Flaw(`delay_seconds is ${delay}, less than ${DELAY_LEAST}`);
  if (voidAfter < WEEK) throw new Flaw(`void_after_seconds is ${voidAfter}, less than ${WEEK}`);
}

export function checkRaffle(bundle, promise) {
  same(bundle.raffle, promise.raffle, "the bundle's raffle");
  return [true, bundle.raffle];
}
