// What a bundle, a manifest, a receipt and a head must look like: every member, and no other.

import { Flaw, shown } from "./flaw.js";

export const PROTOCOL = "luxewin/draw/v2";

/** A sort of value: what it is called and how it is recognised. */
const kind = (name, fits) => ({ kind: name, fits });
const textLike = (name, pattern) => kind(name, (value) => typeof value === "string" && pattern.test(value));
const integerFrom = (least) =>
  kind(`an integer from ${least}`, (value) => typeof value === "number" && value >= least);
const hexOf = (size) => textLike(`${size} bytes in lower-case hex`, new RegExp(`^[0-9a-f]{${2 * size}}$`));
const anyOf = (...values) => kind(values.join(" or "), (value) => values.includes(value));
/** The value may be null instead. */
const orNull = (shape) => ({ orNull: shape });

const TIME = /^(19[7-9]\d|[2-9]\d{3})-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;

/** `YYYY-MM-DDTHH:MM:SSZ`, and a moment that the calendar has. */
function isTime(value) {
  if (typeof value !== "string" || !TIME.test(value)) return false;
  const time = new Date(value);
  return !Number.isNaN(time.getTime()) && time.toISOString().slice(0, 19) === value.slice(0, 19);
}

/** Unix seconds of a time of the manifest. */
export const unixSeconds = (time) => Date.parse(time) / 1000;

const UUID = textLike("a lower-case UUID", /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
const TEXT = kind("a string", (value) => typeof value === "string");
const COUNT = integerFrom(0);
const POSITIVE = integerFrom(1);
const DATE = kind("a time like 2026-01-31T20:00:00Z", isTime);
const ADDRESS = textLike("a contract's address: 0x and 20 bytes in lower-case hex", /^0x[0-9a-f]{40}$/);
const TRANSACTION = textLike("a transaction's hash: 0x and 32 bytes in lower-case hex", /^0x[0-9a-f]{64}$/);

export const BEACON = { chain_hash: hexOf(32), public_key: hexOf(96), genesis_time: COUNT, period: POSITIVE, scheme: TEXT };

export const MANIFEST = {
  protocol: TEXT,
  operator: TEXT,
  raffle: UUID,
  sequence: COUNT,
  title: TEXT,
  prizes: [{ position: POSITIVE, name: TEXT, value: orNull(COUNT), cash_alternative: orNull(COUNT) }],
  alternates: COUNT,
  ticket_price: COUNT,
  currency: textLike("three lower-case letters", /^[a-z]{3}$/),
  capacity: POSITIVE,
  max_per_person: POSITIVE,
  min_tickets: COUNT,
  opens_at: DATE,
  closes_at: DATE,
  conditions: TEXT,
  free_route: orNull({ instructions: TEXT, until: DATE }),
  claim_seconds: COUNT,
  delay_seconds: COUNT,
  commit_within_seconds: COUNT,
  void_after_seconds: COUNT,
  beacon: BEACON,
  anchor: orNull({ chain_id: POSITIVE, contract: ADDRESS }),
  receipt_key: hexOf(32),
};

const ENTRY = { entry_id: UUID, first_ticket: POSITIVE, count: POSITIVE, holder: hexOf(32) };
const STEP = { side: anyOf("left", "right"), sum: POSITIVE, hash: hexOf(32) };
const MINED = { transaction: TRANSACTION, block: COUNT };

const PICK = {
  position: POSITIVE,
  role: anyOf("winner", "alternate"),
  prize: orNull(POSITIVE),
  index: COUNT,
  ticket: POSITIVE,
  ...ENTRY,
  path: [STEP],
};

export const BUNDLE = {
  protocol: TEXT,
  raffle: UUID,
  manifest: TEXT,
  manifest_hash: hexOf(32),
  entries: { root: hexOf(32), tickets: POSITIVE, count: POSITIVE, url: TEXT },
  log: { size: COUNT, root: hexOf(32), url: TEXT },
  commitment: hexOf(32),
  place: { committed_at: orNull(COUNT), announce: orNull(MINED), commit: orNull(MINED) },
  beacon: { round: orNull(POSITIVE), signature: orNull(hexOf(48)), randomness: orNull(hexOf(32)) },
  seed: orNull(hexOf(32)),
  picks: [PICK],
  settlement: orNull(MINED),
};

export const RECEIPT = {
  protocol: TEXT,
  raffle: UUID,
  manifest_hash: hexOf(32),
  ...ENTRY,
  nonce: orNull(hexOf(32)),
  at: COUNT,
  signature: hexOf(64),
};

export const HEAD = { size: COUNT, root: hexOf(32), at: COUNT, signature: hexOf(64) };

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
      `${where}: missing members [${shown(missing.join(", "))}], unknown members [${shown(unknown.join(", "))}]`,
    );
  }
  for (const [name, inner] of Object.entries(shape)) conform(value[name], inner, `${where}.${name}`);
}
