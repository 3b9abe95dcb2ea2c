// What the page is told of a verification: plain values, so that a worker can post them.

import { keyWords, roundTime } from "./beacon.js";
import { toHex, u64 } from "./bytes.js";
import { earliest } from "./log.js";
import { unixSeconds } from "./shapes.js";

/** Summarises what `verify` found; `hasLog` says if a log was given. */
export function summarise(found, hasLog) {
  const { checks, bundle, promise, stage, beacon, purchases, outcomes, log } = found;
  return {
    checks,
    stage,
    beacon,
    promisedBeacon: promise?.beacon ?? null,
    hasLog,
    isSearchable: found.entries !== null,
    chainId: promise?.anchor?.chain_id ?? null,
    contract: promise?.anchor?.contract ?? null,
    withdrawnTickets: purchases?.withdrawnTickets ?? null,
    lateLeaves: log ? Math.max(0, log.length - log.size) : 0,
    ...(promise && terms(promise)),
    ...(bundle && facts(bundle)),
    picks: bundle ? bundle.picks.map((pick) => named(pick, promise, outcomes)) : [],
    drawnAt: promise && bundle?.beacon.round ? roundTime(promise.beacon, bundle.beacon.round) : null,
    place: expectedPlace(found),
  };
}

function terms({ title, sequence, operator, delay_seconds: delay, capacity }) {
  return { title, sequence, operator, delay, capacity };
}

function facts({ raffle, manifest_hash: manifestHash, commitment, seed, entries, log, place, beacon, settlement }) {
  const { announce, commit, committed_at: committedAt } = place;
  const transactions = { announce, commit, settlement };
  return {
    ...{ raffle, manifestHash, commitment, seed, root: entries.root, tickets: entries.tickets, entries: entries.count },
    ...{ logRoot: log.root, logSize: log.size, round: beacon.round, committedAt, transactions },
  };
}

/** A pick with the name of its prize and what became of it. */
function named({ position, role, prize, ticket, entry_id: entryId }, promise, outcomes) {
  const name = prize === null ? null : (promise?.prizes[prize - 1]?.name ?? null);
  const outcome = outcomes?.find((one) => one.position === position) ?? null;
  return { position, role, ticket, entryId, prize: name, outcome };
}

// The contract may be ahead of the bundle; it must not be behind, or at another end.
const STATUSES = {
  published: ["announced", "committed", "settled", "void", "lapsed"],
  committed: ["committed", "settled", "void"],
  drawn: ["committed", "settled"],
};

/** What the contract must say, as words in hex; null where no chain was promised or the bundle is of no stage. */
function expectedPlace({ bundle, promise, stage, log }) {
  if (!promise?.anchor || stage === null) return null;
  const { place, settlement } = bundle;
  const blocks = [place.announce, place.commit].map((mined) => mined?.block ?? 0);
  return {
    chainId: promise.anchor.chain_id,
    contract: promise.anchor.contract,
    manifestHash: bundle.manifest_hash,
    minedIn: Math.max(...blocks),
    settledIn: settlement?.block ?? 0,
    statuses: settlement === null ? STATUSES[stage] : ["settled"],
    earliestLeaf: log && earliest(log),
    constants: constants(promise),
    fields: fields(bundle, promise),
  };
}

const word = (number) => (number === null ? null : toHex(u64(number)).padStart(64, "0"));

function constants({ beacon, void_after_seconds: voidAfter }) {
  return {
    "CHAIN_HASH()": beacon.chain_hash,
    "GENESIS_TIME()": word(beacon.genesis_time),
    "PERIOD()": word(beacon.period),
    "VOID_AFTER()": word(voidAfter),
    "public_key()": keyInWords(beacon),
  };
}

/** No point, no key: whatever the contract has is something else. */
function keyInWords(beacon) {
  try {
    return keyWords(beacon.public_key).join("");
  } catch {
    return "";
  }
}

function fields({ raffle, entries, place, beacon, commitment, seed }, promise) {
  return {
    raffle: raffle.replaceAll("-", "").padEnd(64, "0"),
    sequence: word(promise.sequence),
    delay_seconds: word(promise.delay_seconds),
    commit_by: word(unixSeconds(promise.closes_at) + promise.commit_within_seconds),
    committed_at: word(place.committed_at),
    tickets: word(entries.tickets),
    wanted: word(Math.min(entries.tickets, promise.prizes.length + promise.alternates)),
    round: word(beacon.round),
    commitment,
    seed,
  };
}
