// Section 5 of the protocol: the round, and its BLS signature. The curve is @noble/curves'.

import { bls12_381 } from "./vendor/noble.js";
import { fromHex, toBigInt, u64 } from "./bytes.js";
import { Flaw, same } from "./flaw.js";
import { sha256 } from "./sha256.js";

const SCHEME = "bls-unchained-g1-rfc9380";
const DST = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
const FIELD_PRIME = bls12_381.fields.Fp.ORDER;

export const QUICKNET = {
  chain_hash: "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
  public_key:
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510" +
    "d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
  genesis_time: 1692803367,
  period: 3,
  scheme: SCHEME,
};

/** The first round at or after a time in Unix seconds. */
export function firstRoundAt(beacon, due) {
  const late = due - beacon.genesis_time;
  return late <= 0 ? 1 : Math.ceil(late / beacon.period) + 1;
}

/** When a round appears, in Unix seconds. */
export const roundTime = (beacon, round) => beacon.genesis_time + (round - 1) * beacon.period;

/** `randomness = H(signature)`. */
export const randomness = (signature) => sha256(fromHex(signature));

/** Which beacon a manifest promises: "quicknet", or "foreign". Flaw if it passes itself off as quicknet. */
export function beaconKind(beacon) {
  same(beacon.scheme, SCHEME, "beacon.scheme");
  const matches = Object.keys(QUICKNET).filter((name) => beacon[name] === QUICKNET[name]);
  if (matches.length === Object.keys(QUICKNET).length) return "quicknet";
  if (matches.includes("chain_hash") || matches.includes("public_key")) {
    throw new Flaw(`only ${matches.join(", ")} as in drand quicknet: it passes itself off as what it is not`);
  }
  return "foreign";
}

/** Flaw unless the signature is the public key's signature of the round. Costs some 50 ms. */
export function verifySignature(beacon, round, signature) {
  same(beacon.scheme, SCHEME, "beacon.scheme");
  const key = point(bls12_381.G2.Point, beacon.public_key, "beacon.public_key");
  const signed = point(bls12_381.G1.Point, signature, "beacon.signature");
  const message = bls12_381.shortSignatures.hash(sha256(u64(round)), DST);
  if (!bls12_381.shortSignatures.verify(signed, message, key)) {
    throw new Flaw(`the signature is not the public key's signature of round ${round}`);
  }
}

/** The public key as a contract has it: eight words in hex, as EIP-2537 encodes a point of G2. */
export function keyWords(publicKey) {
  const { x, y } = point(bls12_381.G2.Point, publicKey, "beacon.public_key").toAffine();
  const padded = [x.c0, x.c1, y.c0, y.c1].map((part) => part.toString(16).padStart(128, "0"));
  return padded.flatMap((part) => [part.slice(0, 64), part.slice(64)]);
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
    if (toBigInt(half) >= FIELD_PRIME) throw new Flaw(`${what}: a coordinate is not below the field's prime`);
  }
  try {
    const found = Point.fromHex(hex);
    found.assertValidity();
    return found;
  } catch {
    throw new Flaw(`${what}: not a point of the curve's group of prime order`);
  }
}
