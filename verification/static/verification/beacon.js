// Section 4 of the protocol: the round, and its BLS signature. The curve is @noble/curves'.

import { bls12_381 } from "./vendor/noble.js";
import { fromHex, sha256, toNumber, u64 } from "./bytes.js";
import { Flaw, same } from "./flaw.js";

const SCHEME = "bls-unchained-g1-rfc9380";
const DST = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
const FIELD_PRIME = bls12_381.fields.Fp.ORDER;

export const QUICKNET = {
  chain_hash: "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
  public_key:
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510" +
    "d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
  genesis_time: 1692803367n,
  period: 3n,
};

/** The first round at or after a time in Unix seconds. */
export function firstRoundAt(beacon, due) {
  const late = due - beacon.genesis_time;
  return late <= 0n ? 1n : (late + beacon.period - 1n) / beacon.period + 1n;
}

/** `randomness = H(signature)`. */
export const randomness = (signature) => sha256(fromHex(signature));

/** Flaw unless the signature is the public key's signature of the round. Costs some 50 ms. */
export function verifySignature(beacon) {
  same(beacon.scheme, SCHEME, "beacon.scheme");
  const key = point(bls12_381.G2.Point, beacon.public_key, "beacon.public_key");
  const signature = point(bls12_381.G1.Point, beacon.signature, "beacon.signature");
  const message = bls12_381.shortSignatures.hash(sha256(u64(beacon.round)), DST);
  if (!bls12_381.shortSignatures.verify(signature, message, key)) {
    throw new Flaw(`the signature is not the public key's signature of round ${beacon.round}`);
  }
}

/** A point from its one compressed form; Flaw unless it is in the group of prime order and not at infinity. */
function point(Point, hex, what) {
  const bytes = fromHex(hex);
  if (!(bytes[0] & 0x80) || bytes[0] & 0x40) {
    throw new Flaw(`${what}: not the compressed form of a point, or the point at infinity`);
  }
  for (let start = 0; start < bytes.length; start += 48) {
    const half = bytes.slice(start, start + 48);
    if (start === 0) half[0] &= 0x1f; // without the three flags
    if (toNumber(half) >= FIELD_PRIME) throw new Flaw(`${what}: a coordinate is not below the field's prime`);
  }
  try {
    const found = Point.fromHex(hex);
    found.assertValidity();
    return found;
  } catch {
    throw new Flaw(`${what}: not a point of the curve's group of prime order`);
  }
}
