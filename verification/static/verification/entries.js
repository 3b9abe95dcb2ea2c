// Sections 2 and 3 of the protocol: the entries file, and the Merkle sum tree over it, built while the file is read.

import { U64_MAX, equalBytes, fromHex, sha256, toHex, uuidBytes, uuidText } from "./bytes.js";
import { Flaw, shown } from "./flaw.js";

const HEADER = "entry_id,first_ticket,count";
const ROW =
  /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}),([1-9][0-9]{0,19}),([1-9][0-9]{0,19})(?:\r?\n)?$/;
const LINE_MAX = 128; // the longest row has 80 bytes
const RECORD = 32; // bytes: entry_id, u64(first_ticket), u64(count), as a leaf hashes them after its 0x00

// The bytes that are hashed, written anew for each hash: 200,000 allocations less for 100,000 entries.
const leafBytes = new Uint8Array(1 + RECORD);
const nodeBytes = new Uint8Array(81).fill(1, 0, 1);
const nodeView = new DataView(nodeBytes.buffer);

/** The leaf over a record. */
function leaf(record, count) {
  leafBytes.set(record, 1);
  return { sum: count, hash: sha256(leafBytes) };
}

/** The node over two nodes; Flaw if the sum leaves 64 bits. */
function node(left, right) {
  const sum = left.sum + right.sum;
  if (sum > U64_MAX) throw new Flaw("a sum of tickets leaves 64 bits");
  nodeView.setBigUint64(1, left.sum);
  nodeBytes.set(left.hash, 9);
  nodeView.setBigUint64(41, right.sum);
  nodeBytes.set(right.hash, 49);
  return { sum, hash: sha256(nodeBytes) };
}

function record(entryId, firstTicket, count) {
  const bytes = new Uint8Array(RECORD);
  const view = new DataView(bytes.buffer);
  bytes.set(uuidBytes(entryId));
  view.setBigUint64(16, firstTicket);
  view.setBigUint64(24, count);
  return bytes;
}

/** The entries: a record for each row, the tickets before each, and the tree's right edge. */
export class Entries {
  #records = new Uint8Array(1024 * RECORD);
  #view = new DataView(this.#records.buffer);
  #before = new BigUint64Array(1024);
  #subtrees = []; // roots of the complete subtrees so far, largest first
  length = 0;
  tickets = 0n;
  largestCount = 0n;
  orderFlaw = "";

  add(entryId, firstTicket, count) {
    if (this.length === this.#before.length) this.#grow();
    const bytes = record(entryId, firstTicket, count);
    this.#records.set(bytes, this.length * RECORD);
    this.#before[this.length] = this.tickets;
    this.tickets += count;
    if (count > this.largestCount) this.largestCount = count;
    this.length += 1;
    this.#subtrees.push(leaf(bytes, count));
    for (let whole = this.length; whole % 2 === 0; whole /= 2) {
      const right = this.#subtrees.pop(); // two equal subtrees stand at the end: they become one
      this.#subtrees.push(node(this.#subtrees.pop(), right));
    }
  }

  #grow() {
    const [records, before] = [this.#records, this.#before];
    this.#records = new Uint8Array(2 * records.length);
    this.#records.set(records);
    this.#view = new DataView(this.#records.buffer);
    this.#before = new BigUint64Array(2 * before.length);
    this.#before.set(before);
  }

  /** The root's sum and hash. Folding from the right gives RFC 9162's shape. */
  root() {
    return this.#subtrees.reduceRight((right, left) => node(left, right));
  }

  /** The row at a place, counted from 0. */
  at(place) {
    const start = place * RECORD;
    return {
      place,
      before: this.#before[place],
      entryId: uuidText(this.#records.subarray(start, start + 16)),
      firstTicket: this.#view.getBigUint64(start + 16),
      count: this.#view.getBigUint64(start + 24),
    };
  }

  /** The row in which a 0-based index lies. */
  holding(index) {
    let [low, high] = [0, this.length];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#before[middle] <= index) low = middle;
      else high = middle;
    }
    return this.at(low);
  }

  /** The first row for which this holds, or null. Cost: reads every row. */
  find(wanted) {
    for (let place = 0; place < this.length; place += 1) {
      const row = this.at(place);
      if (wanted(row)) return row;
    }
    return null;
  }

  /** An entry id that stands twice, or null. Ids whose first halves differ differ. */
  duplicate() {
    const half = (place) => this.#view.getBigUint64(place * RECORD);
    const halves = BigUint64Array.from({ length: this.length }, (_, place) => half(place)).sort();
    const suspects = new Set(halves.filter((value, n) => n > 0 && value === halves[n - 1]));
    const seen = new Set();
    for (let place = 0; suspects.size && place < this.length; place += 1) {
      if (!suspects.has(half(place))) continue;
      const { entryId } = this.at(place);
      if (seen.has(entryId)) return entryId;
      seen.add(entryId);
    }
    return null;
  }
}

/** Every row of the file in `chunks` (bytes, iterable or async iterable). Flaw at the first line that is not one;
 * order is judged by another check. `progress(rows)` is told after each chunk. */
export async function readEntries(chunks, progress) {
  const decoder = new TextDecoder("latin1"); // one byte is one character; what is not ASCII fails the rows' form
  const rows = new Rows();
  let rest = "";
  for await (const chunk of chunks) {
    rest = rows.takeLines(rest + decoder.decode(chunk));
    progress(rows.entries.length);
    if (rest.length > LINE_MAX) break; // no row is as long: it is judged below, and the others need not be read
  }
  if (rest || rows.number === 0) rows.take(rest.slice(0, LINE_MAX));
  if (!rows.entries.length) throw new Flaw("no entries: there was nothing to draw from");
  return rows.entries;
}

class Rows {
  entries = new Entries();
  number = 0; // lines read
  #lastTicket = 0n;

  /** Takes the lines that end in this text; returns what is left of it. */
  takeLines(text) {
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      this.take(text.slice(start, end + 1));
      start = end + 1;
    }
    return text.slice(start);
  }

  take(line) {
    this.number += 1;
    if (this.number > 1) this.#row(line);
    else if (line !== `${HEADER}\n` && line !== `${HEADER}\r\n`) {
      throw new Flaw(`line 1 is ${shown(line)}, expected the header ${HEADER}`);
    }
  }

  #row(line) {
    const row = ROW.exec(line);
    if (row === null) {
      throw new Flaw(`line ${this.number} is not a row of lower-case UUID, first ticket, count: ${shown(line)}`);
    }
    const [firstTicket, count] = [BigInt(row[2]), BigInt(row[3])];
    if (firstTicket + count > U64_MAX || this.entries.tickets + count > U64_MAX) {
      throw new Flaw(`line ${this.number}: ticket numbers leave 64 bits`);
    }
    if (firstTicket <= this.#lastTicket && !this.entries.orderFlaw) {
      const reach = `the rows before reach to ${this.#lastTicket}`;
      this.entries.orderFlaw = `line ${this.number} begins at ticket ${firstTicket}, ${reach}`;
    }
    this.#lastTicket = firstTicket + count - 1n;
    this.entries.add(row[1], firstTicket, count);
  }
}

/** The root that the path of an entry `{entry_id, first_ticket, count, path}` leads to, and the tickets before it. */
export function climb(entry) {
  let reached = leaf(record(entry.entry_id, entry.first_ticket, entry.count), entry.count);
  let before = 0n;
  for (const step of entry.path) {
    const sibling = { sum: step.sum, hash: fromHex(step.hash) };
    if (step.side === "left") {
      reached = node(sibling, reached);
      before += step.sum;
    } else {
      reached = node(reached, sibling);
    }
  }
  return { root: reached, before };
}

export const sameRoot = (one, other) => one.sum === other.sum && equalBytes(one.hash, other.hash);
export const rootText = (root) => toHex(root.hash);
