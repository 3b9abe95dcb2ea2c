// Section 2 of the protocol: the entries file, and the sum tree of section 4 over it, built while the file is read.

import { INTEGER_MAX, putU64, toHex, uuidBytes, uuidText } from "./bytes.js";
import { ENTRIES_HEADER, readRows } from "./csv.js";
import { Flaw } from "./flaw.js";
import { ByteIndex, Records } from "./ids.js";
import { ENTRY_BYTES, SumTree } from "./trees.js";

/** The entries: a record for each row as its leaf hashes it, its numbers, and the tree over them. */
export class Entries {
  #records;
  #tree = new SumTree();
  #firsts;
  #befores;
  #ids;
  #holders;
  tickets = 0;
  largestCount = 0;
  orderFlaw = "";
  twice = "";

  constructor(expected) {
    this.#records = new Records(ENTRY_BYTES, expected);
    this.#firsts = new Numbers(expected);
    this.#befores = new Numbers(expected);
    this.#ids = new ByteIndex(this.#records, { size: ENTRY_BYTES, offset: 0, width: 16, expected });
    this.#holders = new ByteIndex(this.#records, { size: ENTRY_BYTES, offset: 32, width: 32, expected });
  }

  get length() {
    return this.#records.length;
  }

  /** Takes the entry in a row, unless the row has not its form. */
  take(row, line) {
    const at = this.#records.next();
    const { bytes } = this.#records;
    row.uuid(bytes, at);
    row.comma();
    const first = row.decimal();
    row.comma();
    const count = row.decimal();
    row.comma();
    row.hex(32, bytes, at + 32);
    row.end();
    if (!row.fits) return;
    if (!first || !count) throw new Flaw(`line ${line}: ticket numbers and counts begin at 1`);
    putNumbers(bytes, at, first, count);
    this.#add(at, first, count, line);
  }

  #add(at, first, count, line) {
    if (first + count > INTEGER_MAX || this.tickets + count > INTEGER_MAX) {
      throw new Flaw(`line ${line}: ticket numbers are not below 2^53`);
    }
    const last = this.length ? this.#firsts.at(this.length - 1) + this.count(this.length - 1) - 1 : 0;
    if (first <= last && !this.orderFlaw) {
      this.orderFlaw = `line ${line} begins at ticket ${first}, the rows before reach to ${last}`;
    }
    this.#firsts.push(first);
    this.#befores.push(this.tickets);
    this.tickets += count;
    if (count > this.largestCount) this.largestCount = count;
    this.#records.length += 1;
    const place = this.length - 1;
    if (this.#ids.add(place) !== -1) this.twice ||= `entry ${this.at(place).entry_id} is listed twice`;
    if (this.#holders.add(place) !== -1) {
      this.twice ||= `entry ${this.at(place).entry_id} has the holder of another: one could be shown to two buyers`;
    }
    this.#tree.add(this.#records.bytes, at, count);
  }

  root() {
    return this.#tree.root();
  }

  /** The number of tickets of the entry at a place. */
  count(place) {
    const next = place + 1 < this.#befores.length ? this.#befores.at(place + 1) : this.tickets;
    return next - this.#befores.at(place);
  }

  /** The entry at a place, counted from 0, as its leaf hashes it. */
  record(place) {
    return this.#records.at(place);
  }

  /** The entry at a place, as a bundle has it, and the tickets before it. */
  at(place) {
    const record = this.record(place);
    return {
      place,
      before: this.#befores.at(place),
      entry_id: uuidText(record.subarray(0, 16)),
      first_ticket: this.#firsts.at(place),
      count: this.count(place),
      holder: toHex(record.subarray(32)),
    };
  }

  /** The entry in which a 0-based index lies. */
  holding(index) {
    return this.at(this.#befores.lastUpTo(index));
  }

  /** The last ticket of the last entry. */
  get lastTicket() {
    return this.#firsts.at(this.length - 1) + this.count(this.length - 1) - 1;
  }

  /** The entry with this ticket, or null. The file's order must have been checked. */
  withTicket(ticket) {
    const place = this.#firsts.lastUpTo(ticket);
    const found = this.at(place);
    return found.first_ticket <= ticket && ticket < found.first_ticket + found.count ? found : null;
  }

  /** The entry with this id, or null. */
  withId(id) {
    const place = this.#ids.find(uuidBytes(id));
    return place === -1 ? null : this.at(place);
  }
}

function putNumbers(bytes, at, first, count) {
  putU64(bytes, at + 16, first);
  putU64(bytes, at + 24, count);
}

/** Numbers below 2^53, one after the other. */
class Numbers {
  length = 0;

  constructor(expected) {
    this.values = new Float64Array(Math.max(16, expected));
  }

  push(value) {
    if (this.length === this.values.length) {
      const former = this.values;
      this.values = new Float64Array(2 * former.length);
      this.values.set(former);
    }
    this.values[this.length] = value;
    this.length += 1;
  }

  at(place) {
    return this.values[place];
  }

  /** The place of the last of these ascending numbers that is not above `value`; 0 if all are. */
  lastUpTo(value) {
    let [low, high] = [0, this.length];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.values[middle] <= value) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** Every entry of the file in `chunks`; `expected` is how many there should be. Order is judged by another check. */
export async function readEntries(chunks, expected, progress) {
  const entries = new Entries(expected);
  await readRows(chunks, ENTRIES_HEADER, (row, line) => entries.take(row, line), progress);
  if (!entries.length) throw new Flaw("no entries: there was nothing to draw from");
  return entries;
}
