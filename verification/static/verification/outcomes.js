// Kinds 3 and 4 of the log, after the draw: prizes forfeited, passed on to alternates, and handed over.

import { roundTime } from "./beacon.js";
import { toHex, utf8 } from "./bytes.js";
import { Flaw } from "./flaw.js";
import { KIND } from "./log.js";
import { sha256 } from "./sha256.js";

const UNCLAIMED = toHex(sha256(utf8("unclaimed")));
const ZEROS = "00".repeat(32);

/** What became of each pick: `{place, position, kind: "forfeited" | "claimed", prize, unclaimed, at}` in the log's order.
 * Flaw at the first leaf that the rules do not allow. */
export function readOutcomes(log, bundle, promise) {
  const prizes = new Prizes(bundle, promise);
  const outcomes = [];
  for (let place = log.size; place < log.length; place += 1) {
    outcomes.push(prizes.take(place, log));
  }
  return outcomes;
}

/** Who holds which prize, leaf after leaf. */
class Prizes {
  #held = new Map(); // from a pick's position to the position of its prize
  #turns = new Map(); // from a pick's position to since when it holds a prize
  #done = new Set(); // positions that have a leaf

  constructor(bundle, promise) {
    this.picks = bundle.picks;
    this.promise = promise;
    this.drawnAt = bundle.picks.length ? roundTime(promise.beacon, bundle.beacon.round) : 0;
    for (const { position, prize } of bundle.picks) if (prize !== null) this.#give(position, prize, this.drawnAt);
  }

  #give(position, prize, at) {
    this.#held.set(position, prize);
    this.#turns.set(position, at);
  }

  take(place, log) {
    const [kind, position, prize, at, x] = [log.kind(place), log.a(place), log.b(place), log.at(place), log.x(place)];
    const pick = this.picks[position - 1];
    if (pick === undefined) throw new Flaw(`leaf ${place} is about pick ${position}, which does not exist`);
    if (pick.entry_id !== log.id(place)) throw new Flaw(`leaf ${place} names another entry than pick ${position}`);
    if (this.#done.has(position)) throw new Flaw(`leaf ${place} is a second outcome of pick ${position}`);
    if (prize !== (this.#held.get(position) ?? 0)) {
      throw new Flaw(`leaf ${place}: pick ${position} did not hold prize ${prize}`);
    }
    if (at < this.drawnAt) throw new Flaw(`leaf ${place} is dated ${at}, before the draw at ${this.drawnAt}`);
    this.#done.add(position);
    if (kind === KIND.CLAIMED) checkClaim(place, prize, x);
    else this.#forfeit(place, { position, prize, at, x });
    return { place, position, prize, at, kind: kind === KIND.CLAIMED ? "claimed" : "forfeited", unclaimed: x === UNCLAIMED };
  }

  #forfeit(place, { position, prize, at, x }) {
    if (x === UNCLAIMED) this.#checkWait(place, position, at);
    if (prize === 0) return;
    const next = this.picks.find((pick) => pick.role === "alternate" && this.#isFree(pick.position));
    if (next) this.#give(next.position, prize, at);
  }

  #isFree(position) {
    return !this.#done.has(position) && !this.#held.has(position);
  }

  #checkWait(place, position, at) {
    const turn = this.#turns.get(position);
    if (turn === undefined) throw new Flaw(`leaf ${place}: pick ${position} was never called, so left nothing unclaimed`);
    if (at < turn + this.promise.claim_seconds) {
      throw new Flaw(`leaf ${place}: pick ${position} had ${at - turn} s to claim, not ${this.promise.claim_seconds}`);
    }
  }
}

function checkClaim(place, prize, x) {
  if (prize === 0) throw new Flaw(`leaf ${place} claims no prize`);
  if (x !== ZEROS) throw new Flaw(`leaf ${place}: the x of a claim is 32 zero bytes`);
}
