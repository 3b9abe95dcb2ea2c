// What verification/static/verification/vendor/noble.js exports: the curves of the beacon and of receipts, and SHA-512.
export { bls12_381 } from "@noble/curves/bls12-381.js";
export { ed25519 } from "@noble/curves/ed25519.js";
export { sha512 } from "@noble/hashes/sha2.js";
