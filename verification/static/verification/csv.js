// The form of the two CSV files, read byte by byte while they arrive: rows of fixed fields, in ASCII, each ending in LF.

import { INTEGER_MAX } from "./bytes.js";
import { Flaw, Unreadable, shown } from "./flaw.js";

export const ENTRIES_HEADER = "entry_id,first_ticket,count,holder";
export const LOG_HEADER = "kind,entry_id,a,b,x,at";
const LINE_MAX = 256; // no row is half as long
const LF = 10;
const COMMA = 44;
const HYPHEN = 45;
const ZERO = 48;

/** The value of each byte as a hex digit in lower case, 255 if it is none. */
const DIGITS = new Uint8Array(256).fill(255);
for (let value = 0; value < 16; value += 1) DIGITS[value.toString(16).charCodeAt(0)] = value;

/** Reads a row's fields from left to right. A field that is not as told leaves `fits` false, and the rest unread. */
export class Row {
  bytes = new Uint8Array();
  at = 0;
  fits = true;

  open(bytes, at) {
    this.bytes = bytes;
    this.at = at;
    this.fits = true;
  }

  /** Writes `count` bytes, given as lower-case hex. */
  hex(count, target, place) {
    for (let n = 0; n < count; n += 1, this.at += 2) {
      const high = DIGITS[this.bytes[this.at]];
      const low = DIGITS[this.bytes[this.at + 1]];
      if ((high | low) > 15) this.fits = false;
      target[place + n] = (high << 4) | low;
    }
  }

  /** Writes a UUID's 16 bytes. */
  uuid(target, place) {
    this.hex(4, target, place);
    for (let start = 4; start < 10; start += 2) {
      this.one(HYPHEN);
      this.hex(2, target, place + start);
    }
    this.one(HYPHEN);
    this.hex(6, target, place + 10);
  }

  /** A decimal without sign or leading zero, at most 2^53 - 1. */
  decimal() {
    const start = this.at;
    let value = 0;
    for (let digit = this.bytes[this.at] - ZERO; digit >= 0 && digit <= 9; digit = this.bytes[this.at] - ZERO) {
      value = 10 * value + digit;
      this.at += 1;
    }
    const length = this.at - start;
    if (length === 0 || length > 16 || value > INTEGER_MAX) this.fits = false;
    if (length > 1 && this.bytes[start] === ZERO) this.fits = false;
    return value;
  }

  comma() {
    this.one(COMMA);
  }

  end() {
    this.one(LF);
  }

  one(byte) {
    if (this.bytes[this.at] !== byte) this.fits = false;
    this.at += 1;
  }
}

/** Hands each row of `chunks` (bytes, iterable or async iterable) to `take(row, number)`, lines counted from 1.
 *
 * `progress(rows)` is told after each chunk. Unreadable if this is another of the files or not all of it, Flaw at the
 * first line that has not its form.
 */
export async function readRows(chunks, header, take, progress) {
  const reader = new RowReader(header, take);
  let rest = new Uint8Array();
  for await (const chunk of chunks) {
    rest = reader.takeLines(rest.length ? withRest(rest, chunk) : chunk);
    progress(reader.number - 1);
    if (rest.length > LINE_MAX) break; // no row is as long: what follows need not be read
  }
  reader.finish(rest);
}

function withRest(rest, chunk) {
  const whole = new Uint8Array(rest.length + chunk.length);
  whole.set(rest);
  whole.set(chunk, rest.length);
  return whole;
}

const asText = (bytes) => new TextDecoder("latin1").decode(bytes);

class RowReader {
  number = 0; // lines read
  #row = new Row();

  constructor(header, take) {
    this.header = header;
    this.take = take;
  }

  /** Takes the lines that end in these bytes; returns what is left of them. */
  takeLines(bytes) {
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      this.#line(bytes, start, end + 1);
      start = end + 1;
    }
    return bytes.slice(start);
  }

  #line(bytes, start, end) {
    this.number += 1;
    if (this.number === 1) {
      checkHeader(asText(bytes.subarray(start, Math.min(end - 1, start + LINE_MAX))), this.header);
      return;
    }
    this.#row.open(bytes, start);
    this.take(this.#row, this.number);
    if (!this.#row.fits || this.#row.at !== end) {
      const line = asText(bytes.subarray(start, Math.min(end - 1, start + LINE_MAX)));
      throw new Flaw(`line ${this.number} is not a row of ${this.header}: ${shown(line)}`);
    }
  }

  /** Judges what follows the last LF. */
  finish(rest) {
    const line = asText(rest.subarray(0, LINE_MAX));
    if (this.number === 0) {
      if (this.header.startsWith(line)) throw new Unreadable("it ends in its first line: it was cut short");
      checkHeader(line, this.header);
    }
    if (rest.length > LINE_MAX) throw new Flaw(`line ${this.number + 1} is longer than any row: ${shown(line)}`);
    if (this.number === 0 || rest.length) throw new Unreadable("it ends in the middle of a line: it was cut short");
  }
}

/** Says which other file this is, if it is one. */
function checkHeader(line, header) {
  if (line === header) return;
  if (line === ENTRIES_HEADER) throw new Unreadable("this is the entries file: the files seem to be swapped");
  if (line === LOG_HEADER) throw new Unreadable("this is the log: the files seem to be swapped");
  if (/^\s*\{/.test(line)) throw new Unreadable("this is JSON, perhaps the result: the files seem to be swapped");
  throw new Flaw(`it begins with ${shown(line)}, not with ${header}`);
}
