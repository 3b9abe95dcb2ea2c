// Bytes, numbers and hashes as the protocol writes them.

import { sha256 as digest } from "./vendor/noble.js";

export const U64_MAX = 2n ** 64n - 1n;

const encoder = new TextEncoder();

/** SHA-256 over the parts, joined. */
export function sha256(...parts) {
  return digest(parts.length === 1 ? parts[0] : joined(parts));
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A text's UTF-8. */
export const utf8 = (text) => encoder.encode(text);

/** 8 bytes, big-endian, of a BigInt below 2^64. */
export function u64(number) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, number);
  return bytes;
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

/** Bytes as one big-endian number. */
export const toNumber = (bytes) => BigInt(`0x${toHex(bytes)}`);

export const uuidBytes = (text) => fromHex(text.replaceAll("-", ""));

export function uuidText(bytes) {
  const digits = toHex(bytes);
  return [0, 8, 12, 16, 20].map((start, n, starts) => digits.slice(start, starts[n + 1])).join("-");
}

export function equalBytes(a, b) {
  return a.length === b.length && a.every((byte, place) => byte === b[place]);
}
