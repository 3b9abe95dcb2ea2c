// Bytes and numbers as the protocol writes them. Numbers are at most 2^53 - 1, so that a Number holds them exactly.

export const INTEGER_MAX = Number.MAX_SAFE_INTEGER;

const encoder = new TextEncoder();

/** A text's UTF-8. */
export const utf8 = (text) => encoder.encode(text);

/** 8 bytes, big-endian. */
export function u64(number) {
  const bytes = new Uint8Array(8);
  putU64(bytes, 0, number);
  return bytes;
}

/** Writes 8 bytes, big-endian, from `at` on. */
export function putU64(bytes, at, number) {
  putU32(bytes, at, Math.floor(number / 2 ** 32));
  putU32(bytes, at + 4, number >>> 0);
}

function putU32(bytes, at, word) {
  bytes[at] = word >>> 24;
  bytes[at + 1] = word >>> 16;
  bytes[at + 2] = word >>> 8;
  bytes[at + 3] = word;
}

export function toHex(bytes) {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** The bytes of lower-case hex digits whose form a shape has checked. */
export function fromHex(text) {
  const bytes = new Uint8Array(text.length / 2);
  for (let n = 0; n < bytes.length; n += 1) bytes[n] = 16 * digit(text, 2 * n) + digit(text, 2 * n + 1);
  return bytes;
}

function digit(text, place) {
  const code = text.charCodeAt(place);
  return code <= 57 ? code - 48 : code - 87; // 0 to 9, a to f
}

/** Bytes as one big-endian number, a BigInt. */
export const toBigInt = (bytes) => BigInt(`0x${toHex(bytes)}`);

export const uuidBytes = (text) => fromHex(text.replaceAll("-", ""));

export function uuidText(bytes) {
  const digits = toHex(bytes);
  return [0, 8, 12, 16, 20].map((start, n, starts) => digits.slice(start, starts[n + 1])).join("-");
}

export function equalBytes(a, b) {
  if (a.length !== b.length) return false;
  for (let place = 0; place < a.length; place += 1) if (a[place] !== b[place]) return false;
  return true;
}

/** Parts, joined. */
export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
