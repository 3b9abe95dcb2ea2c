// What a bundle, a manifest and a buyer's proof must look like: every field, and no other.

import { U64_MAX } from "./bytes.js";
import { Flaw, shown } from "./flaw.js";

/** A sort of value: what it is called and how it is recognised. */
const kind = (name, fits) => ({ kind: name, fits });
const textLike = (name, pattern) => kind(name, (value) => typeof value === "string" && pattern.test(value));
const integerFrom = (least) =>
  kind(`an integer from ${least}`, (value) => typeof value === "bigint" && value >= least && value <= U64_MAX);
const hexOf = (size) => textLike(`${size} bytes in lower-case hex`, new RegExp(`^[0-9a-f]{${2 * size}}$`));
/** The value may be null instead. */
const orNull = (shape) => ({ orNull: shape });

/** RFC 3339 in UTC, and a moment that the calendar has. */
function isUtcTime(value) {
  const match = typeof value === "string" && /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00:00)$/.exec(value);
  if (!match || match[1].startsWith("0000")) return false;
  const time = new Date(`${match[1]}Z`);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(match[1]);
}

// White space as other languages know it: more than trim() takes, and without the byte order mark.
const INK = /[^\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const UUID = textLike("a lower-case UUID", /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
const TEXT = kind("a string", (value) => typeof value === "string");
const SOME_TEXT = textLike("a string that is not empty", INK);
const BOOLEAN = kind("true or false", (value) => typeof value === "boolean");
const ANYTHING = kind("anything", () => true);
const COUNT = integerFrom(0n);
const POSITIVE = integerFrom(1n);
const UTC_TIME = kind("an RFC 3339 time in UTC", isUtcTime);
const ADDRESS = textLike("a 20-byte address", /^(0x)?[0-9a-fA-F]{40}$/);
const TRANSACTION = textLike("a 32-byte transaction hash", /^(0x)?[0-9a-fA-F]{64}$/);
const PRICE_TEXT = textLike("a decimal price", /^(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?$/);
const PRICE = kind("a price: a decimal string or an integer", (value) => PRICE_TEXT.fits(value) || COUNT.fits(value));

export const PROMISED_BEACON = {
  chain_hash: hexOf(32),
  public_key: hexOf(96),
  genesis_time: COUNT,
  period: POSITIVE,
  scheme: TEXT,
};

export const MANIFEST = {
  protocol: TEXT,
  raffle: UUID,
  title: SOME_TEXT,
  prizes: [{ position: POSITIVE, name: SOME_TEXT }],
  alternates: COUNT,
  ticket_price: PRICE,
  currency: SOME_TEXT,
  capacity: POSITIVE,
  max_per_person: POSITIVE,
  min_tickets: COUNT,
  opens_at: UTC_TIME,
  closes_at: UTC_TIME,
  delay_seconds: COUNT,
  beacon: PROMISED_BEACON,
  sequence: COUNT,
};

const STEP = { side: textLike("left or right", /^(left|right)$/), sum: POSITIVE, hash: hexOf(32) };

const PICK = {
  position: POSITIVE,
  role: textLike("winner or alternate", /^(winner|alternate)$/),
  prize: ANYTHING,
  index: COUNT,
  ticket: POSITIVE,
  entry_id: UUID,
  first_ticket: POSITIVE,
  count: POSITIVE,
  path: [STEP],
};

export const BUNDLE = {
  protocol: TEXT,
  raffle: UUID,
  manifest: TEXT,
  manifest_hash: hexOf(32),
  entries: { root: hexOf(32), tickets: POSITIVE, count: POSITIVE, url: TEXT },
  commitment: {
    anchored: BOOLEAN,
    committed_at: COUNT,
    chain_id: orNull(POSITIVE),
    contract: orNull(ADDRESS),
    transaction: orNull(TRANSACTION),
    block: orNull(COUNT),
  },
  beacon: { ...PROMISED_BEACON, round: POSITIVE, signature: hexOf(48), randomness: hexOf(32) },
  seed: hexOf(32),
  picks: [PICK],
  settlement: orNull({ transaction: TRANSACTION, block: COUNT }),
};

/** What a buyer gets for one of their purchases. */
export const PROOF = {
  raffle: UUID,
  entry_id: UUID,
  first_ticket: POSITIVE,
  count: POSITIVE,
  tickets_before: COUNT,
  root: hexOf(32),
  tickets: POSITIVE,
  path: [STEP],
};

/** Flaw unless `value` has exactly this shape. */
export function conform(value, shape, where) {
  if (shape.fits) {
    if (!shape.fits(value)) throw new Flaw(`${where}: expected ${shape.kind}, found ${shown(value)}`);
  } else if (shape.orNull) {
    if (value !== null) conform(value, shape.orNull, where);
  } else if (Array.isArray(shape)) {
    if (!Array.isArray(value)) throw new Flaw(`${where}: expected an array, found ${shown(value)}`);
    value.forEach((item, number) => conform(item, shape[0], `${where}[${number}]`));
  } else {
    conformObject(value, shape, where);
  }
}

function conformObject(value, shape, where) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Flaw(`${where}: expected an object, found ${shown(value)}`);
  }
  const missing = Object.keys(shape).filter((name) => !(name in value));
  const unknown = Object.keys(value).filter((name) => !Object.hasOwn(shape, name));
  if (missing.length || unknown.length) {
    throw new Flaw(
      `${where}: missing fields [${shown(missing.join(", "))}], unknown fields [${shown(unknown.join(", "))}]`,
    );
  }
  for (const [name, inner] of Object.entries(shape)) conform(value[name], inner, `${where}.${name}`);
}
