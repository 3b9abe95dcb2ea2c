// Sections 4 and 6 of the protocol: what is committed to, the seed, and the picks that follow from it.

import { randomness } from "./beacon.js";
import { fromHex, toBigInt, toHex, u64, utf8 } from "./bytes.js";
import { Flaw, same } from "./flaw.js";
import { sha256 } from "./sha256.js";
import { climb, sameRoot } from "./trees.js";

const DIGESTS = 2n ** 256n;

export function commitmentOf(root, tickets, logRoot, logSize) {
  return sha256(utf8("luxewin/commitment/v2"), root, u64(tickets), logRoot, u64(logSize));
}

export function seedOf({ chainHash, round, randomness: random, manifestHash, commitment, tickets }) {
  return sha256(utf8("luxewin/draw/v2"), chainHash, u64(round), random, manifestHash, commitment, u64(tickets));
}

/** The first `min(tickets, wanted)` distinct indices, in the order drawn. */
export function pickedIndices(seed, tickets, wanted) {
  const all = BigInt(tickets);
  const limit = DIGESTS - (DIGESTS % all);
  const picked = new Set();
  for (let i = 0; picked.size < Math.min(wanted, tickets); i += 1) {
    const d = toBigInt(sha256(seed, u64(i)));
    if (d < limit) picked.add(Number(d % all));
  }
  return [...picked];
}

export function checkCommitment({ entries, log, commitment }) {
  const expected = commitmentOf(fromHex(entries.root), entries.tickets, fromHex(log.root), log.size);
  same(commitment, toHex(expected), "commitment");
  return [true, commitment];
}

export function checkSeed(bundle, promise) {
  const { beacon, entries, commitment } = bundle;
  const seed = seedOf({
    chainHash: fromHex(promise.beacon.chain_hash),
    round: beacon.round,
    randomness: randomness(beacon.signature),
    manifestHash: sha256(utf8(bundle.manifest)),
    commitment: fromHex(commitment),
    tickets: entries.tickets,
  });
  same(bundle.seed, toHex(seed), "seed");
  return [seed, bundle.seed];
}

export function checkPickCount(bundle, promise) {
  const expected = Math.min(bundle.entries.tickets, promise.prizes.length + promise.alternates);
  same(bundle.picks.length, expected, "the number of picks");
  return [true, `${expected} picks`];
}

/** As many picks as the bundle has; whether these are enough is another check. */
export function checkIndices({ picks, entries }, seed) {
  const indices = pickedIndices(seed, entries.tickets, picks.length);
  if (indices.length < picks.length) throw new Flaw(`${picks.length} picks from ${indices.length} tickets`);
  picks.forEach((pick, n) => same(pick.index, indices[n], `the index of pick ${n + 1}`));
  return [true, "every index follows from the seed, in this order"];
}

export function checkPickEntries({ picks }, entries) {
  picks.forEach((pick, n) => {
    if (pick.index >= entries.tickets) throw new Flaw(`the index of pick ${n + 1} is not below N`);
    const row = entries.holding(pick.index);
    for (const name of ["entry_id", "first_ticket", "count", "holder"]) {
      same(pick[name], row[name], `the ${name} of pick ${n + 1}`);
    }
    same(pick.ticket, row.first_ticket + pick.index - row.before, `the ticket of pick ${n + 1}`);
  });
  return [true, "each pick's ticket and entry are those of the entries file"];
}

export function checkRoles({ picks }, { prizes }) {
  picks.forEach((pick, n) => {
    same(pick.position, n + 1, `the position of pick ${n + 1}`);
    const wins = n < prizes.length;
    same(pick.role, wins ? "winner" : "alternate", `the role of pick ${n + 1}`);
    same(pick.prize, wins ? n + 1 : null, `the prize of pick ${n + 1}`);
  });
  return [true, `${Math.min(prizes.length, picks.length)} winners, the rest alternates`];
}

/** By hashing up from the pick's own numbers: the entry and its place, proved without the entries file's order. */
export function checkPaths({ picks, entries }) {
  const root = { sum: entries.tickets, hash: fromHex(entries.root) };
  picks.forEach((pick, n) => {
    const reached = climb(pick);
    if (!sameRoot(reached.root, root)) throw new Flaw(`the path of pick ${n + 1} does not lead to the root and N`);
    if (pick.index < reached.before || pick.index >= reached.before + pick.count) {
      throw new Flaw(`the path of pick ${n + 1} proves an entry that does not hold its index`);
    }
  });
  return [true, "each path leads from the entry to the root"];
}
