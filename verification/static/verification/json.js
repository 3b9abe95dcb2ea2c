// JSON read strictly, as the protocol's notation asks, and the one canonical form of section 1.
//
// JSON.parse cannot be used: it takes the last of two members of one name, and rounds integers beyond 2^53.

import { INTEGER_MAX } from "./bytes.js";
import { Flaw, Unreadable, shown } from "./flaw.js";

const DEPTH_MAX = 100; // a bundle has 4 levels
const SPACE = /[ \t\n\r]*/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)/y;
const FRACTION = /\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+/y;
const NO_NUMBERS = /NaN|-?Infinity/y; // other readers take these for numbers
const HEX = /[0-9a-fA-F]{4}/y;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const LITERALS = { true: true, false: false, null: null };

/** The value of one JSON document; objects have no prototype. Unreadable unless it is JSON, Flaw for duplicate names,
 * numbers that are no integers from 0 to 2^53 - 1, lone surrogates and deep nesting: what readers could take in two
 * ways. */
export function parseJson(text) {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.skip();
  if (reader.at !== text.length) throw reader.flaw("something follows the end");
  if (reader.hasLoneSurrogate) throw new Flaw("a text holds a lone surrogate");
  return value;
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.hasLoneSurrogate = false;
  }

  flaw(what) {
    if (this.at >= this.text.length) return new Unreadable("it ends too early: it was cut short");
    return new Unreadable(`not valid JSON: ${what}, at character ${this.at}`);
  }

  /** What the sticky expression matches here, which is then behind us; null if it does not match. */
  take(expression) {
    expression.lastIndex = this.at;
    const match = expression.exec(this.text);
    if (match === null) return null;
    this.at = expression.lastIndex;
    return match[0];
  }

  skip() {
    this.take(SPACE);
  }

  /** Is this the next character, after white space? If so, it is behind us. */
  follows(character) {
    this.skip();
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  expect(character) {
    if (!this.follows(character)) throw this.flaw(`expected ${character}`);
  }

  value(depth) {
    if (depth > DEPTH_MAX) throw new Flaw("nested too deeply");
    if (this.follows("{")) return this.object(depth);
    if (this.follows("[")) return this.array(depth);
    if (this.follows('"')) return this.string();
    for (const [name, value] of Object.entries(LITERALS)) {
      if (this.text.startsWith(name, this.at)) {
        this.at += name.length;
        return value;
      }
    }
    return this.integer();
  }

  object(depth) {
    const record = Object.create(null);
    let twice = null; // told at the object's end: if the file ends before, it was cut, which is not the operator's doing
    if (this.follows("}")) return record;
    do {
      this.expect('"');
      const name = this.string();
      if (name in record) twice ??= name;
      this.expect(":");
      record[name] = this.value(depth + 1);
    } while (this.follows(","));
    this.expect("}");
    if (twice !== null) throw new Flaw(`an object has the member ${shown(twice)} twice`);
    return record;
  }

  array(depth) {
    const items = [];
    if (this.follows("]")) return items;
    do {
      items.push(this.value(depth + 1));
    } while (this.follows(","));
    this.expect("]");
    return items;
  }

  /** After its opening quote. */
  string() {
    let text = "";
    for (;;) {
      text += this.take(PLAIN);
      const character = this.text[this.at];
      if (character !== '"' && character !== "\\")
        throw this.flaw("a string does not end, or holds a control character");
      this.at += 1;
      if (character === '"') break;
      text += this.escape();
    }
    if (!wellFormed(text)) this.hasLoneSurrogate = true;
    return text;
  }

  escape() {
    const letter = this.text[this.at];
    this.at += 1;
    if (letter === "u") {
      const digits = this.take(HEX);
      if (digits === null) throw this.flaw("a broken escape");
      return String.fromCharCode(parseInt(digits, 16));
    }
    if (!Object.hasOwn(ESCAPES, letter)) throw this.flaw("an unknown escape");
    return ESCAPES[letter];
  }

  integer() {
    const word = this.take(NO_NUMBERS);
    if (word !== null) throw new Flaw(`${word} is not an integer`);
    const digits = this.take(NUMBER);
    if (digits === null) throw this.flaw("expected a value");
    const fraction = this.take(FRACTION);
    if (fraction !== null) throw new Flaw(`the number ${shown(digits + fraction)} is not an integer`);
    const value = Number(digits);
    if (digits[0] === "-" || value > INTEGER_MAX) throw new Flaw(`the number ${shown(digits)} is not from 0 to 2^53 - 1`);
    return value;
  }
}

/** Has every surrogate its partner? (String.isWellFormed is younger than the phones that should run this.) */
function wellFormed(text) {
  return !/[\ud800-\udfff]/u.test(text);
}

/** RFC 8785 for what a manifest holds: strings, integers, null, arrays and objects; Flaw for anything else. */
export function canonical(value) {
  if (typeof value === "string") return JSON.stringify(value); // the same escapes as RFC 8785, section 3.2.2.2
  if (typeof value === "number" || value === null) return `${value}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object") {
    const names = Object.keys(value).sort(); // by UTF-16 code units, as RFC 8785 has it
    return `{${names.map((name) => `${canonical(name)}:${canonical(value[name])}`).join(",")}}`;
  }
  throw new Flaw(`a manifest holds strings, integers, null, arrays and objects, but here is ${shown(value)}`);
}
