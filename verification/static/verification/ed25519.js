// Section 3 of the protocol: Ed25519 by its strict rules. The curve is @noble/curves', SHA-512 @noble/hashes'.
//
// The library's own `verify` is looser: it multiplies by the cofactor, or takes a key of small order.

import { ed25519, sha512 } from "./vendor/noble.js";
import { equalBytes, fromHex, joined, toBigInt } from "./bytes.js";
import { Flaw } from "./flaw.js";

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;

const littleEndian = (bytes) => toBigInt(bytes.slice().reverse());

/** The point of a receipt key; Flaw unless it is the canonical encoding of a point of order L. */
export function pointOfReceiptKey(hex) {
  let point;
  try {
    point = Point.fromHex(hex); // by RFC 8032: a y of the field or above is refused
  } catch {
    throw new Flaw("receipt_key is not a point of the curve in its one encoding");
  }
  if (point.is0() || !point.isTorsionFree()) throw new Flaw("receipt_key is a point of small or mixed order");
  if (!equalBytes(point.toBytes(), fromHex(hex))) throw new Flaw("receipt_key is not in its one encoding");
  return point;
}

/** Is this 64-byte signature (hex) of the message valid under a key that `pointOfReceiptKey` takes? */
export function isSigned(signature, message, key) {
  const bytes = fromHex(signature);
  const [nonce, scalar] = [bytes.subarray(0, 32), littleEndian(bytes.subarray(32))];
  if (scalar >= ORDER || equalBytes(nonce, Point.ZERO.toBytes())) return false;
  const challenge = littleEndian(sha512(joined(nonce, fromHex(key), message))) % ORDER;
  const point = pointOfReceiptKey(key).multiplyUnsafe(challenge).negate();
  const reached = Point.BASE.multiplyUnsafe(scalar).add(point);
  return equalBytes(reached.toBytes(), nonce);
}
