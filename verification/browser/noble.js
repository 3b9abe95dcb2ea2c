// What verification/static/verification/vendor/noble.js exports: the curve of the beacon, and SHA-256.
export { bls12_381 } from "@noble/curves/bls12-381.js";
export { sha256 } from "@noble/hashes/sha2.js";
