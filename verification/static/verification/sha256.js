// SHA-256, synchronous and made for short messages.
//
// A draw of 100,000 entries takes some 400,000 hashes of 65 to 81 bytes. `crypto.subtle` costs a promise for each, and
// general libraries an object for each: both take several times as long as the hashing itself.

const ROUNDS = new Int32Array(64);
const START = new Int32Array(8);
constants();

const words = new Int32Array(64); // the message schedule of the block at work
const state = new Int32Array(8);

/** The first 32 bits of the fractional parts of roots of primes, as the standard defines its constants. */
function constants() {
  const fraction = (root) => Math.floor((root - Math.floor(root)) * 2 ** 32) | 0;
  for (let prime = 2, found = 0; found < 64; prime += 1) {
    let divisor = 2;
    while (prime % divisor) divisor += 1;
    if (divisor < prime) continue;
    if (found < 8) START[found] = fraction(Math.sqrt(prime));
    ROUNDS[found] = fraction(Math.cbrt(prime));
    found += 1;
  }
}

/** A buffer for messages of one length, padding included: write the message into its first `length` bytes. */
export function messageOf(length) {
  const padded = new Uint8Array(Math.ceil((length + 9) / 64) * 64);
  padded[length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(length / 2 ** 29));
  view.setUint32(padded.length - 4, (length * 8) >>> 0);
  return padded;
}

/** Hashes a buffer that `messageOf` made, into 32 bytes of `target` from `at` on. */
export function hashInto(padded, target, at) {
  state.set(START);
  for (let block = 0; block < padded.length; block += 64) compress(padded, block);
  for (let n = 0; n < 8; n += 1) {
    const word = state[n];
    target[at + 4 * n] = word >>> 24;
    target[at + 4 * n + 1] = word >>> 16;
    target[at + 4 * n + 2] = word >>> 8;
    target[at + 4 * n + 3] = word;
  }
}

function compress(bytes, block) {
  for (let n = 0, at = block; n < 16; n += 1, at += 4) {
    words[n] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let n = 16; n < 64; n += 1) {
    const early = words[n - 15];
    const late = words[n - 2];
    const s0 = ((early >>> 7) | (early << 25)) ^ ((early >>> 18) | (early << 14)) ^ (early >>> 3);
    const s1 = ((late >>> 17) | (late << 15)) ^ ((late >>> 19) | (late << 13)) ^ (late >>> 10);
    words[n] = (words[n - 16] + s0 + words[n - 7] + s1) | 0;
  }
  // One by one: taking an array apart costs a tenth more here.
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let n = 0; n < 64; n += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[n] + words[n]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = (state[0] + a) | 0;
  state[1] = (state[1] + b) | 0;
  state[2] = (state[2] + c) | 0;
  state[3] = (state[3] + d) | 0;
  state[4] = (state[4] + e) | 0;
  state[5] = (state[5] + f) | 0;
  state[6] = (state[6] + g) | 0;
  state[7] = (state[7] + h) | 0;
}

/** SHA-256 over the parts, joined. */
export function sha256(...parts) {
  const padded = messageOf(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    padded.set(part, at);
    at += part.length;
  }
  const digest = new Uint8Array(32);
  hashInto(padded, digest, 0);
  return digest;
}
