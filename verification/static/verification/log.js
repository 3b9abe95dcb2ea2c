// Section 3 of the protocol: the log, read as its file arrives, and what its leaves below `log.size` must keep.

import { equalBytes, putU64, toHex, uuidText } from "./bytes.js";
import { LOG_HEADER, readRows } from "./csv.js";
import { Flaw } from "./flaw.js";
import { ByteIndex, Records } from "./ids.js";
import { unixSeconds } from "./shapes.js";
import { LEAF_BYTES, LogTree } from "./trees.js";

export const KIND = { ENTERED: 1, WITHDRAWN: 2, FORFEITED: 3, CLAIMED: 4 };
// Where the fields of a leaf's data begin.
const [ID_AT, A_AT, B_AT, X_AT, AT_AT] = [1, 17, 25, 33, 65];

/** The leaves of a log, as the tree hashes them. `size` is how many of them were committed to, `expected` for how many
 * to take memory at once. */
export class Log {
  #records;
  #tree = new LogTree();

  constructor(size, expected) {
    this.size = size;
    this.#records = new Records(LEAF_BYTES, expected);
    this.root = size === 0 ? this.#tree.root() : null; // of the first `size` leaves, once they are read
  }

  /** All leaves, those after the commitment included. */
  get length() {
    return this.#records.length;
  }

  /** Takes the leaf in a row, unless the row has not its form. */
  take(row, line) {
    const at = this.#records.next();
    const { bytes } = this.#records;
    const kind = row.decimal();
    bytes[at] = kind;
    row.comma();
    row.uuid(bytes, at + ID_AT);
    row.comma();
    putU64(bytes, at + A_AT, row.decimal());
    row.comma();
    putU64(bytes, at + B_AT, row.decimal());
    row.comma();
    row.hex(32, bytes, at + X_AT);
    row.comma();
    putU64(bytes, at + AT_AT, row.decimal());
    row.end();
    if (!row.fits) return;
    if (kind < 1 || kind > 4) throw new Flaw(`line ${line}: ${kind} is no kind of leaf`);
    this.#records.length += 1;
    this.#tree.add(bytes, at);
    if (this.length === this.size) this.root = this.#tree.root();
  }

  kind(place) {
    return this.#records.bytes[place * LEAF_BYTES];
  }

  a(place) {
    return this.#number(place * LEAF_BYTES + A_AT);
  }

  b(place) {
    return this.#number(place * LEAF_BYTES + B_AT);
  }

  at(place) {
    return this.#number(place * LEAF_BYTES + AT_AT);
  }

  #number(at) {
    const { bytes } = this.#records;
    let value = 0;
    for (let n = 0; n < 8; n += 1) value = 256 * value + bytes[at + n];
    return value;
  }

  /** `entry_id`, `a`, `b` and `x` in one: as an entry's leaf hashes them. */
  entry(place) {
    return this.#records.bytes.subarray(place * LEAF_BYTES + ID_AT, place * LEAF_BYTES + AT_AT);
  }

  id(place) {
    return uuidText(this.entry(place).subarray(0, 16));
  }

  x(place) {
    return toHex(this.entry(place).subarray(X_AT - ID_AT));
  }

  /** An index over the leaves' ids, or over their `x`; leaves are added by their place. */
  index(of) {
    const [offset, width] = of === "x" ? [X_AT, 32] : [ID_AT, 16];
    return new ByteIndex(this.#records, { size: LEAF_BYTES, offset, width, expected: this.length });
  }

  /** The root of the first `size` leaves. */
  rootOf(size) {
    const tree = new LogTree();
    for (let place = 0; place < size; place += 1) tree.add(this.#records.bytes, place * LEAF_BYTES);
    return tree.root();
  }
}

/** Every leaf of the file in `chunks`; `size` is how many were committed to. */
export async function readLog(chunks, size, expected, progress) {
  const log = new Log(size, expected);
  await readRows(chunks, LOG_HEADER, (row, line) => log.take(row, line), progress);
  return log;
}

/** Flaw unless there are as many leaves as were committed to, of kinds 1 and 2, and only others after them. */
export function checkKinds(log) {
  if (log.length < log.size) throw new Flaw(`the log has ${log.length} leaves, fewer than the ${log.size} committed to`);
  for (let place = 0; place < log.length; place += 1) {
    const isEarly = log.kind(place) <= KIND.WITHDRAWN;
    if (isEarly && place >= log.size) throw new Flaw(`leaf ${place} enters or withdraws after the commitment`);
    if (!isEarly && place < log.size) throw new Flaw(`leaf ${place} is an outcome before the commitment`);
  }
}

/** What the committed leaves enter and withdraw: `{entered, withdrawnCount, withdrawnTickets}`; `entered` are the
 * places of the kind 1 leaves by first ticket, `isWithdrawn(place)` says which of them came out again. Flaw for an id
 * or a holder that comes twice, or a withdrawal that repeats no entry. */
export function readPurchases(log, mostForOne) {
  const purchases = new Purchases(log);
  for (let place = 0; place < log.size; place += 1) {
    if (log.kind(place) === KIND.ENTERED) purchases.enter(place, mostForOne);
    else purchases.withdraw(place);
  }
  return purchases;
}

class Purchases {
  #ids;
  #holders;
  #withdrawn;
  entered = []; // by place in the log
  withdrawnCount = 0;
  withdrawnTickets = 0;

  constructor(log) {
    this.log = log;
    this.#ids = log.index("id");
    this.#holders = log.index("x");
    this.#withdrawn = new Uint8Array(log.length);
  }

  enter(place, mostForOne) {
    const [first, count] = [this.log.a(place), this.log.b(place)];
    if (this.#ids.add(place) !== -1) throw new Flaw(`leaf ${place} enters ${this.log.id(place)} again`);
    if (this.#holders.add(place) !== -1) throw new Flaw(`leaf ${place} has the holder of an earlier entry`);
    if (!first || !count) throw new Flaw(`leaf ${place}: ticket numbers and counts begin at 1`);
    if (count > mostForOne) throw new Flaw(`leaf ${place} enters ${count} tickets, max_per_person is ${mostForOne}`);
    this.entered.push(place);
  }

  withdraw(place) {
    const former = this.find(this.log.entry(place));
    if (former === -1) throw new Flaw(`leaf ${place} withdraws ${this.log.id(place)}, which was not entered`);
    if (this.#withdrawn[former]) throw new Flaw(`leaf ${place} withdraws ${this.log.id(place)} again`);
    if (!equalBytes(this.log.entry(place), this.log.entry(former))) {
      throw new Flaw(`leaf ${place} withdraws ${this.log.id(place)}, but not as it was entered`);
    }
    this.#withdrawn[former] = 1;
    this.withdrawnCount += 1;
    this.withdrawnTickets += this.log.b(place);
  }

  /** The place of the kind 1 leaf of this id (16 bytes, or more that begin with them), or -1. */
  find(id) {
    return this.#ids.find(id);
  }

  isWithdrawn(place) {
    return this.#withdrawn[place] === 1;
  }

  /** The places of the kind 1 leaves, by first ticket. */
  byTicket() {
    const firsts = this.entered.map((place) => this.log.a(place));
    const order = Uint32Array.from(firsts, (_, n) => n);
    if (firsts.some((first, n) => n > 0 && first < firsts[n - 1])) order.sort((one, other) => firsts[one] - firsts[other]);
    return Array.from(order, (n) => this.entered[n]);
  }
}

/** The last ticket ever sold, T; Flaw unless the entered tickets run from 1 to it without gap or overlap. */
export function lastTicketSold(purchases, capacity) {
  const { log } = purchases;
  let last = 0;
  for (const place of purchases.byTicket()) {
    if (log.a(place) !== last + 1) {
      throw new Flaw(`leaf ${place} begins at ticket ${log.a(place)}, but the tickets before it end at ${last}`);
    }
    last += log.b(place);
  }
  if (last > capacity) throw new Flaw(`the tickets run to ${last}, beyond the capacity, ${capacity}`);
  return last;
}

/** Flaw unless every purchase and withdrawal was between the opening and the commitment (null: not yet). */
export function checkTimes(log, promise, committedAt) {
  const opens = unixSeconds(promise.opens_at);
  for (let place = 0; place < log.size; place += 1) {
    const at = log.at(place);
    if (at < opens) throw new Flaw(`leaf ${place} is dated ${at}, before the sale opened at ${opens}`);
    if (committedAt !== null && at > committedAt) {
      throw new Flaw(`leaf ${place} is dated ${at}, after the commitment at ${committedAt}`);
    }
  }
}

/** Flaw unless the entries are exactly what the purchases enter and do not withdraw. */
export function checkMatch(purchases, entries) {
  let row = 0;
  for (const place of purchases.byTicket()) {
    if (purchases.isWithdrawn(place)) continue;
    const { log } = purchases;
    if (row >= entries.length) throw new Flaw(`${log.id(place)} is in the log, but not among the entries`);
    if (!equalBytes(log.entry(place), entries.record(row))) {
      throw new Flaw(`line ${row + 2} of the entries is not what leaf ${place} of the log enters, ${log.id(place)}`);
    }
    row += 1;
  }
  if (row < entries.length) throw new Flaw(`entry ${entries.at(row).entry_id} is not in the log, or was withdrawn`);
}

/** The earliest date of any leaf, or null for an empty log. */
export function earliest(log) {
  let least = null;
  for (let place = 0; place < log.length; place += 1) {
    if (least === null || log.at(place) < least) least = log.at(place);
  }
  return least;
}
