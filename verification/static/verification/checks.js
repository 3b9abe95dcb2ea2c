// Every check of a finished draw against the protocol `luxewin/draw/v1`: the same checks, by the same names, in the
// same order and as strict as those of verifier.py, which shares no code with this.

import { QUICKNET, firstRoundAt, randomness, verifySignature } from "./beacon.js";
import { fromHex, sha256, toHex, toNumber, u64, utf8 } from "./bytes.js";
import { climb, readEntries, rootText, sameRoot } from "./entries.js";
import { Flaw, same, shown } from "./flaw.js";
import { canonical, parseJson } from "./json.js";
import { BUNDLE, MANIFEST, PROMISED_BEACON, conform } from "./shapes.js";

const PROTOCOL = "luxewin/draw/v1";
const BUNDLE_BYTES_MAX = 16 * 1024 * 1024;

/** Checks a bundle (its bytes, or a promise of them) against an entries file (chunks of bytes).
 *
 * Tells `tell.check({number, name, ok, detail})` of each check and `tell.progress(rows)` while the entries are read.
 * Returns `{verified, checks, notes, bundle, promise, entries}`; the last three are null where a check of theirs
 * failed.
 */
export async function verify(data, chunks, tell) {
  const report = new Report(tell.check);
  const run = (...check) => report.run(...check);
  const bundle = await run("bundle", async () => readBundle(await data));
  await run("protocol", checkProtocol, bundle);
  const manifest = await run("manifest JSON", readManifest, bundle);
  await run("manifest canonical", checkCanonical, bundle, manifest);
  await run("manifest hash", checkManifestHash, bundle);
  const promise = await run("manifest content", checkManifestContent, manifest);
  await run("manifest raffle", checkRaffle, bundle, promise);
  await run("manifest beacon", checkPromisedBeacon, bundle, promise);
  const entries = await run("entries file", () => checkEntriesFile(chunks, tell.progress));
  await run("entries order", checkOrder, entries);
  await run("entries unique", checkUnique, entries);
  await run("entries limits", checkLimits, entries, promise);
  await run("entries count", checkCount, bundle, entries);
  await run("entries tickets", checkTickets, bundle, entries);
  await run("entries root", checkRoot, bundle, entries);
  await run("commitment", checkCommitment, bundle);
  await run("beacon chain", checkChain, bundle);
  await run("beacon round", checkRound, bundle, promise);
  await run("beacon signature", checkSignature, bundle);
  await run("beacon randomness", checkRandomness, bundle);
  await run("seed", checkSeed, bundle, entries);
  await run("picks number", checkPickCount, bundle, entries, promise);
  await run("picks indices", checkIndices, bundle, entries);
  await run("picks entries", checkPickEntries, bundle, entries);
  await run("picks roles", checkRoles, bundle, promise);
  await run("picks paths", checkPaths, bundle, entries);
  const notes = bundle ? notesOn(bundle, entries, promise) : [];
  return { verified: report.verified, checks: report.checks, notes, bundle, promise, entries };
}

class Report {
  checks = [];
  #tell;

  constructor(tell) {
    this.#tell = tell;
  }

  get verified() {
    return this.checks.every((check) => check.ok);
  }

  /** Runs one check; its value, or null if it fails. It fails unrun if a check whose value it needs has failed. */
  async run(name, step, ...needs) {
    let [value, detail] = [null, "could not be checked, because a check that it builds on failed"];
    if (!needs.includes(null)) {
      try {
        [value, detail] = await step(...needs);
      } catch (error) {
        detail = reason(error);
      }
    }
    const check = { number: this.checks.length + 1, name, ok: value !== null, detail };
    this.checks.push(check);
    this.#tell(check);
    return value;
  }
}

/** Why a check does not hold, whatever was thrown. */
function reason(error) {
  if (error instanceof Flaw) return error.message;
  if (error instanceof RangeError) return "nested too deeply, or too large for this device";
  return `could not be judged here: ${shown(error?.message)}`;
}

// 1. Manifest

function checkProtocol(bundle) {
  same(bundle.protocol, PROTOCOL, "the bundle's protocol");
  return [true, PROTOCOL];
}

function readManifest(bundle) {
  const manifest = parseJson(bundle.manifest);
  if (typeof manifest !== "object" || manifest === null || Array.isArray(manifest)) {
    throw new Flaw("the manifest is not a JSON object");
  }
  return [manifest, `${utf8(bundle.manifest).length} bytes`];
}

function checkCanonical(bundle, manifest) {
  const [expected, found] = [canonical(manifest), bundle.manifest];
  if (expected !== found) {
    let place = 0;
    while (expected[place] === found[place]) place += 1;
    throw new Flaw(`not in RFC 8785 form from character ${place} on`);
  }
  return [true, "RFC 8785"];
}

function checkManifestHash(bundle) {
  same(bundle.manifest_hash, toHex(sha256(utf8(bundle.manifest))), "manifest_hash");
  return [true, bundle.manifest_hash];
}

function checkManifestContent(manifest) {
  conform(manifest, MANIFEST, "manifest");
  same(manifest.protocol, PROTOCOL, "manifest.protocol");
  const { prizes, alternates, sequence } = manifest;
  if (!prizes.length) throw new Flaw("manifest.prizes is empty");
  prizes.forEach((prize, n) => same(prize.position, BigInt(n + 1), `the position of prize ${n + 1}`));
  return [manifest, `${prizes.length} prizes, ${alternates} alternates, draw number ${sequence}`];
}

function checkRaffle(bundle, promise) {
  same(bundle.raffle, promise.raffle, "the bundle's raffle");
  return [true, bundle.raffle];
}

function checkPromisedBeacon(bundle, promise) {
  for (const name of Object.keys(PROMISED_BEACON)) same(bundle.beacon[name], promise.beacon[name], `beacon.${name}`);
  return [true, "the bundle's beacon is the manifest's"];
}

// 2. Entries, and 3. the Merkle sum tree

async function checkEntriesFile(chunks, progress) {
  const entries = await readEntries(chunks, progress);
  return [entries, `${entries.length} rows`];
}

function checkOrder(entries) {
  if (entries.orderFlaw) throw new Flaw(entries.orderFlaw);
  return [true, "ordered by first ticket, none overlap"];
}

function checkUnique(entries) {
  const twice = entries.duplicate();
  if (twice !== null) throw new Flaw(`entry ${twice} is listed twice`);
  return [true, "no entry_id twice"];
}

function checkLimits(entries, promise) {
  const { tickets, largestCount } = entries;
  if (tickets > promise.capacity) {
    throw new Flaw(`${tickets} tickets, but the manifest's capacity is ${promise.capacity}`);
  }
  if (largestCount > promise.max_per_person) {
    throw new Flaw(`an entry of ${largestCount} tickets, but max_per_person is ${promise.max_per_person}`);
  }
  return [true, `${tickets} of ${promise.capacity} tickets`];
}

function checkRoot(bundle, entries) {
  same(bundle.entries.root, rootText(entries.root()), "entries.root");
  return [true, bundle.entries.root];
}

function checkTickets(bundle, entries) {
  same(bundle.entries.tickets, entries.tickets, "entries.tickets");
  return [true, `N = ${entries.tickets}`];
}

function checkCount(bundle, entries) {
  same(bundle.entries.count, BigInt(entries.length), "entries.count");
  return [true, `${entries.length} entries`];
}

// 4. Beacon

function checkRound(bundle, promise) {
  const due = bundle.commitment.committed_at + promise.delay_seconds;
  const expected = firstRoundAt(bundle.beacon, due);
  same(bundle.beacon.round, expected, "beacon.round");
  return [true, `round ${expected} is the first at or after ${due}`];
}

/** Is this the public chain that it seems to be? (The chain hash covers a value that no bundle holds.) */
function checkChain(bundle) {
  const matches = Object.keys(QUICKNET).filter((name) => bundle.beacon[name] === QUICKNET[name]);
  if (matches.length === Object.keys(QUICKNET).length) return [true, "this is drand quicknet"];
  if (matches.includes("chain_hash") || matches.includes("public_key")) {
    throw new Flaw(`only ${matches.join(", ")} as in drand quicknet: it passes itself off as what it is not`);
  }
  return [true, "this is NOT a public drand chain: a development beacon?"];
}

function checkSignature(bundle) {
  verifySignature(bundle.beacon);
  return [true, `BLS signature of round ${bundle.beacon.round} (by @noble/curves)`];
}

function checkRandomness(bundle) {
  const expected = toHex(randomness(bundle.beacon.signature));
  same(bundle.beacon.randomness, expected, "beacon.randomness");
  return [true, expected];
}

// 5. Seed

/** Computed from the first facts (manifest, entries file, signature), not from the bundle's sums of them. */
function drawSeed({ beacon, manifest }, entries) {
  return sha256(
    utf8(PROTOCOL),
    fromHex(beacon.chain_hash),
    u64(beacon.round),
    randomness(beacon.signature),
    sha256(utf8(manifest)),
    entries.root().hash,
    u64(entries.tickets),
  );
}

function checkSeed(bundle, entries) {
  same(bundle.seed, toHex(drawSeed(bundle, entries)), "seed");
  return [true, bundle.seed];
}

// 6. Picks

const DIGESTS = 2n ** 256n;

/** The first `min(tickets, wanted)` distinct indices, in the order drawn. */
export function pickedIndices(seed, tickets, wanted) {
  const limit = DIGESTS - (DIGESTS % tickets);
  const picked = new Set();
  for (let i = 0n; picked.size < wanted && BigInt(picked.size) < tickets; i += 1n) {
    const d = toNumber(sha256(seed, u64(i)));
    if (d < limit) picked.add(d % tickets);
  }
  return [...picked];
}

function checkPickCount(bundle, entries, promise) {
  const wanted = BigInt(promise.prizes.length) + promise.alternates;
  const expected = entries.tickets < wanted ? entries.tickets : wanted;
  same(BigInt(bundle.picks.length), expected, "the number of picks");
  return [true, `${expected} picks`];
}

/** As many picks as the bundle has; whether these are enough is another check. */
function checkIndices(bundle, entries) {
  const { picks } = bundle;
  const indices = pickedIndices(drawSeed(bundle, entries), entries.tickets, picks.length);
  if (indices.length < picks.length) throw new Flaw(`${picks.length} picks from ${indices.length} tickets`);
  picks.forEach((pick, n) => same(pick.index, indices[n], `the index of pick ${n + 1}`));
  return [true, "every index follows from the seed, in this order"];
}

function checkPickEntries(bundle, entries) {
  bundle.picks.forEach((pick, n) => {
    if (pick.index >= entries.tickets) throw new Flaw(`the index of pick ${n + 1} is not below N`);
    const row = entries.holding(pick.index);
    same(pick.entry_id, row.entryId, `the entry_id of pick ${n + 1}`);
    same(pick.first_ticket, row.firstTicket, `the first_ticket of pick ${n + 1}`);
    same(pick.count, row.count, `the count of pick ${n + 1}`);
    same(pick.ticket, row.firstTicket + pick.index - row.before, `the ticket of pick ${n + 1}`);
  });
  return [true, "each pick's ticket and entry are those of the entries file"];
}

function checkRoles(bundle, promise) {
  const { prizes } = promise;
  bundle.picks.forEach((pick, n) => {
    same(pick.position, BigInt(n + 1), `the position of pick ${n + 1}`);
    const wins = n < prizes.length;
    same(pick.role, wins ? "winner" : "alternate", `the role of pick ${n + 1}`);
    if (wins) checkPrize(pick.prize, prizes[n], n + 1);
    else same(pick.prize, null, `the prize of pick ${n + 1}`);
  });
  return [true, `${Math.min(prizes.length, bundle.picks.length)} winners, the rest alternates`];
}

/** The protocol leaves open how a bundle names the prize: its name, its position or all of it say it. */
function checkPrize(found, prize, number) {
  const named = found === prize.name || found === prize.position;
  const whole = typeof found === "object" && found !== null && Object.keys(found).sort().join() === "name,position";
  if (!named && !(whole && found.name === prize.name && found.position === prize.position)) {
    throw new Flaw(`the prize of pick ${number} is ${shown(found)}, expected ${shown(prize.name)}`);
  }
}

/** By hashing up from the pick's own numbers: the entry and its place, proved without the entries file's order. */
function checkPaths(bundle, entries) {
  const root = entries.root();
  bundle.picks.forEach((pick, n) => {
    const reached = climb(pick);
    if (!sameRoot(reached.root, root)) throw new Flaw(`the path of pick ${n + 1} does not lead to the root and N`);
    if (pick.index < reached.before || pick.index >= reached.before + pick.count) {
      throw new Flaw(`the path of pick ${n + 1} proves an entry that does not hold its index`);
    }
  });
  return [true, "each path leads from the entry to the root"];
}

// 7. Bundle

function readBundle(data) {
  if (data.length > BUNDLE_BYTES_MAX) throw new Flaw(`larger than ${BUNDLE_BYTES_MAX} bytes`);
  const bundle = parseJson(decoded(data));
  conform(bundle, BUNDLE, "bundle");
  return [bundle, `${data.length} bytes, every field of section 7 and no other`];
}

function decoded(data) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new Flaw("not UTF-8");
  }
}

// 8. On-chain: what these files can only name, not show

const PLACE = ["chain_id", "contract", "transaction", "block"];

function checkCommitment({ commitment, settlement }) {
  if (!commitment.anchored) {
    const given = PLACE.filter((name) => commitment[name] !== null);
    if (given.length || settlement !== null) {
      throw new Flaw(`not anchored, yet it names ${given.join(", ") || "a settlement"}`);
    }
    return [true, "not anchored on a chain; committed_at is the operator's word"];
  }
  const missing = PLACE.filter((name) => commitment[name] === null);
  if (missing.length) throw new Flaw(`anchored, but without ${missing.join(", ")}`);
  return [true, "names its place on a chain; the chain itself is NOT checked offline"];
}

/** What the checks cannot settle and a reader should know. */
function notesOn(bundle, entries, promise) {
  const notes = [...notesOnChain(bundle)];
  if (Object.keys(QUICKNET).some((name) => bundle.beacon[name] !== QUICKNET[name])) {
    notes.push("The beacon is NOT drand quicknet: whoever holds its key could have chosen the randomness.");
  }
  if (entries && promise && entries.tickets < promise.min_tickets) {
    notes.push(`${entries.tickets} tickets are fewer than the promised minimum, ${promise.min_tickets}.`);
  }
  return notes;
}

function* notesOnChain({ commitment, settlement, entries, picks, manifest_hash, seed }) {
  if (!commitment.anchored) {
    yield `No chain holds this commitment: that it was published at ${utc(commitment.committed_at)} needs a witness.`;
    return;
  }
  yield (
    `NOT checked here, look it up: on chain ${commitment.chain_id}, contract ${commitment.contract}, transaction ` +
    `${commitment.transaction} in block ${commitment.block} must commit root ${entries.root} with ${entries.tickets} ` +
    `tickets and ${picks.length} picks, the block's timestamp must be ${commitment.committed_at}, and the contract ` +
    `must have announced manifest hash ${manifest_hash} before that (compare with the sale's opening).`
  );
  yield settlement === null
    ? "The draw has not been settled on the chain (or the bundle is older than that)."
    : `NOT checked here, look it up: transaction ${settlement.transaction} in block ${settlement.block} must have ` +
      `settled seed ${seed}.`;
}

function utc(seconds) {
  const time = new Date(Number(seconds) * 1000);
  return Number.isNaN(time.getTime()) ? `${seconds}` : `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
