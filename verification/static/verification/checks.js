// Every check of a draw's files against the protocol `luxewin/draw/v2`, in the protocol's order. It shares no code with
// the product or with verifier.py.

import { beaconKind, firstRoundAt, randomness, verifySignature } from "./beacon.js";
import { toHex } from "./bytes.js";
import { readBundle, stageOf } from "./bundle.js";
import { readEntries } from "./entries.js";
import { Flaw, NotChecked, Unreadable, same, shown } from "./flaw.js";
import * as logs from "./log.js";
import * as manifests from "./manifest.js";
import { readOutcomes } from "./outcomes.js";
import * as picks from "./picks.js";
import { PROTOCOL, unixSeconds } from "./shapes.js";
import { rootText } from "./trees.js";

const EXPECTED_MAX = 1_000_000; // rows that memory is taken for at once; a bundle may name any number
const LATER = { published: "the entries are not committed yet", committed: "the deciding round is still awaited" };

/** Checks a bundle (its bytes, or a promise of them) against the entries and the log (chunks of bytes; the log may be
 * null).
 *
 * Tells `tell.check({number, name, state, detail})` of each check, with a state of "passed", "failed" or "unchecked",
 * and `tell.progress(what, rows)` while files are read. Returns `{checks, bundle, promise, entries, log, purchases,
 * outcomes, stage, beacon}`, null for what could not be read.
 */
export async function verify(files, tell) {
  const report = new Report(tell.check);
  const found = await checkPromise(report, files.bundle);
  await checkEntries(report, found, files.entries, tell.progress);
  await checkLog(report, found, files.log, tell.progress);
  await checkCommitment(report, found);
  await checkDraw(report, found);
  return { checks: report.checks, ...found };
}

class Report {
  checks = [];
  #tell;

  constructor(tell) {
    this.#tell = tell;
  }

  /** Runs one check; its value, or null if it fails or cannot run, as when a check fails whose value it needs. */
  async run(name, step, ...needs) {
    if (needs.includes(null)) return this.skip(name, "it builds on a check that failed or did not run");
    try {
      const [value, detail] = await step(...needs);
      this.#add(name, "passed", detail);
      return value;
    } catch (error) {
      if (!(error instanceof NotChecked)) return this.#add(name, "failed", reason(error));
      return this.#add(name, "unchecked", error.message, error instanceof Unreadable);
    }
  }

  /** Notes that a check did not run. */
  skip(name, why) {
    return this.#add(name, "unchecked", why);
  }

  #add(name, state, detail, isUnreadable = false) {
    const check = { number: this.checks.length + 1, name, state, detail, isUnreadable };
    this.checks.push(check);
    this.#tell(check);
    return null;
  }
}

/** Why a check does not hold, whatever was thrown. */
function reason(error) {
  if (error instanceof Flaw) return error.message;
  if (error instanceof RangeError) return "nested too deeply, or too large for this device";
  return `could not be judged here: ${shown(error?.message)}`;
}

// 1 and 7. Manifest and bundle

async function checkPromise(report, data) {
  const bundle = await report.run("bundle", async () => readBundle(await data));
  await report.run("protocol", checkProtocol, bundle);
  const manifest = await report.run("manifest JSON", manifests.readManifest, bundle);
  await report.run("manifest canonical", manifests.checkCanonical, bundle, manifest);
  await report.run("manifest hash", manifests.checkManifestHash, bundle);
  const promise = await report.run("manifest content", manifests.checkManifestContent, manifest);
  await report.run("manifest raffle", manifests.checkRaffle, bundle, promise);
  const stage = await report.run("bundle stage", checkStage, bundle, promise);
  const beacon = await report.run("beacon chain", checkBeacon, promise);
  return { bundle, promise, stage, beacon };
}

function checkProtocol(bundle) {
  same(bundle.protocol, PROTOCOL, "the bundle's protocol");
  return [true, PROTOCOL];
}

function checkStage(bundle, promise) {
  const stage = stageOf(bundle, promise);
  return [stage, stage];
}

function checkBeacon(promise) {
  const kind = beaconKind(promise.beacon);
  return [kind, kind === "quicknet" ? "this is drand quicknet" : "this is NOT drand quicknet: a development beacon?"];
}

// 2. Entries

async function checkEntries(report, found, chunks, progress) {
  const { bundle, promise } = found;
  const read = async ({ entries: { count } }) => {
    const all = await readEntries(chunks, Math.min(count, EXPECTED_MAX), (rows) => progress("entries", rows));
    return [all, `${all.length} rows`];
  };
  const entries = await report.run("entries file", read, bundle);
  found.entries = entries;
  await report.run("entries order", checkOrder, entries);
  await report.run("entries unique", checkUnique, entries);
  await report.run("entries limits", checkLimits, entries, promise);
  await report.run("entries count", checkCount, bundle, entries);
  await report.run("entries tickets", checkTickets, bundle, entries);
  await report.run("entries root", checkRoot, bundle, entries);
}

function checkOrder(entries) {
  if (entries.orderFlaw) throw new Flaw(entries.orderFlaw);
  return [true, "ordered by first ticket, none overlap"];
}

function checkUnique(entries) {
  if (entries.twice) throw new Flaw(entries.twice);
  return [true, "no entry_id and no holder twice"];
}

function checkLimits(entries, promise) {
  const { tickets, largestCount, lastTicket } = entries;
  if (Math.max(tickets, lastTicket) > promise.capacity) {
    throw new Flaw(`the tickets run to ${Math.max(tickets, lastTicket)}, beyond the capacity, ${promise.capacity}`);
  }
  if (largestCount > promise.max_per_person) {
    throw new Flaw(`an entry of ${largestCount} tickets, but max_per_person is ${promise.max_per_person}`);
  }
  if (tickets < promise.min_tickets) {
    throw new Flaw(`${tickets} tickets are fewer than the promised minimum, ${promise.min_tickets}`);
  }
  return [true, `${tickets} of ${promise.capacity} tickets`];
}

function checkCount(bundle, entries) {
  same(entries.length, bundle.entries.count, "the number of entries in the file");
  return [true, `${entries.length} entries`];
}

function checkTickets(bundle, entries) {
  same(bundle.entries.tickets, entries.tickets, "entries.tickets");
  return [true, `N = ${entries.tickets}`];
}

function checkRoot(bundle, entries) {
  same(bundle.entries.root, rootText(entries.root()), "entries.root");
  return [true, bundle.entries.root];
}

// 3. Log

const LOG_CHECKS = ["log file", "log kinds", "log root", "log purchases", "log tickets", "log times", "log entries"];

async function checkLog(report, found, chunks, progress) {
  found.log = found.purchases = found.lastTicket = found.outcomes = null;
  if (chunks === null) {
    for (const name of [...LOG_CHECKS, "log outcomes"]) report.skip(name, "the log was not given");
    return;
  }
  const { bundle, promise, entries, stage } = found;
  const log = await report.run("log file", (known) => readLeaves(chunks, known, progress), bundle);
  const isWhole = await report.run("log kinds", checkKinds, log);
  const whole = isWhole && log;
  await report.run("log root", checkLogRoot, bundle, whole);
  const purchases = await report.run("log purchases", readPurchases, whole, promise);
  found.lastTicket = await report.run("log tickets", checkTicketNumbers, purchases, promise);
  await report.run("log times", checkLogTimes, whole, promise, bundle);
  await report.run("log entries", checkMatch, purchases, entries);
  found.outcomes = await report.run("log outcomes", checkOutcomes, whole, bundle, promise, stage);
  Object.assign(found, { log, purchases });
}

async function readLeaves(chunks, bundle, progress) {
  const log = await logs.readLog(chunks, bundle.log.size, Math.min(bundle.log.size, EXPECTED_MAX), (rows) => progress("log", rows));
  return [log, `${log.length} leaves`];
}

function checkKinds(log) {
  logs.checkKinds(log);
  return [true, `${log.size} leaves before the commitment, ${log.length - log.size} after the draw`];
}

function checkLogRoot(bundle, log) {
  same(bundle.log.root, toHex(log.root), "log.root");
  return [true, bundle.log.root];
}

function readPurchases(log, promise) {
  const purchases = logs.readPurchases(log, promise.max_per_person);
  const { entered, withdrawnCount, withdrawnTickets } = purchases;
  return [purchases, `${entered.length} purchases, ${withdrawnCount} withdrawn with ${withdrawnTickets} tickets`];
}

function checkTicketNumbers(purchases, promise) {
  const last = logs.lastTicketSold(purchases, promise.capacity);
  return [last, `tickets 1 to ${last} without gap or overlap`];
}

function checkLogTimes(log, promise, bundle) {
  logs.checkTimes(log, promise, bundle.place.committed_at);
  return [true, "every purchase and withdrawal was between the opening and the commitment"];
}

function checkMatch(purchases, entries) {
  logs.checkMatch(purchases, entries);
  return [true, "the entries are exactly those that the log enters and does not withdraw"];
}

function checkOutcomes(log, bundle, promise) {
  const outcomes = readOutcomes(log, bundle, promise);
  return [outcomes, `${outcomes.length} outcomes`];
}

// 4. Commitment

async function checkCommitment(report, found) {
  const { bundle, promise, stage, lastTicket, entries } = found;
  await report.run("commitment", picks.checkCommitment, bundle);
  if (stage === "published") report.skip("commitment time", LATER.published);
  else await report.run("commitment time", () => checkTime(found, lastTicket, entries), committed(bundle), promise);
}

/** The bundle, or null unless it says when it was committed. */
const committed = (bundle) => (bundle && bundle.place.committed_at !== null ? bundle : null);

function checkTime({ bundle, promise }, lastTicket, entries) {
  const { committed_at: at } = bundle.place;
  const [opens, closes] = [promise.opens_at, promise.closes_at].map(unixSeconds);
  const latest = closes + promise.commit_within_seconds;
  if (at > latest) throw new Flaw(`committed at ${at}, later than promised, ${latest}`);
  if (at >= closes) return [true, `committed at ${at}, after the sale closed at ${closes}`];
  if (at < opens) throw new Flaw(`committed at ${at}, before the sale opened at ${opens}`);
  const last = lastTicket ?? (entries?.lastTicket === promise.capacity ? promise.capacity : null);
  if (last === null) throw new NotChecked("committed before the sale closed; without the log nobody sees if it was sold out");
  if (last !== promise.capacity) throw new Flaw(`committed at ${at}, before the sale closed and before it was sold out`);
  return [true, `committed at ${at}, sold out`];
}

// 5. Beacon, and 6. seed and picks

async function checkDraw(report, found) {
  const { bundle, promise, stage, entries } = found;
  if (stage in LATER && !bundle.beacon.round) report.skip("beacon round", LATER[stage]);
  else await report.run("beacon round", checkRound, committed(bundle), promise);
  const later = ["beacon signature", "beacon randomness", "seed"];
  later.push(...["number", "indices", "entries", "roles", "paths"].map((name) => `picks ${name}`));
  if (stage in LATER) {
    for (const name of later) report.skip(name, LATER[stage]);
    return;
  }
  const drawn = stage === null ? null : bundle;
  await report.run("beacon signature", checkSignature, drawn, promise);
  await report.run("beacon randomness", checkRandomness, drawn);
  const seed = await report.run("seed", picks.checkSeed, drawn, promise);
  await report.run("picks number", picks.checkPickCount, drawn, promise);
  await report.run("picks indices", picks.checkIndices, drawn, seed);
  await report.run("picks entries", picks.checkPickEntries, drawn, entries);
  await report.run("picks roles", picks.checkRoles, drawn, promise);
  await report.run("picks paths", picks.checkPaths, drawn);
}

function checkRound(bundle, promise) {
  const due = bundle.place.committed_at + promise.delay_seconds;
  const expected = firstRoundAt(promise.beacon, due);
  same(bundle.beacon.round, expected, "beacon.round");
  return [true, `round ${expected} is the first at or after ${due}`];
}

function checkSignature({ beacon }, promise) {
  verifySignature(promise.beacon, beacon.round, beacon.signature);
  return [true, `BLS signature of round ${beacon.round} (by @noble/curves)`];
}

function checkRandomness({ beacon }) {
  const expected = toHex(randomness(beacon.signature));
  same(beacon.randomness, expected, "beacon.randomness");
  return [true, expected];
}
