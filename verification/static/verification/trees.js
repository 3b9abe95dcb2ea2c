// The protocol's two Merkle trees, both in RFC 9162's shape: the log's over leaf data, and the entries' sum tree.

import { INTEGER_MAX, equalBytes, fromHex, putU64, toHex, uuidBytes } from "./bytes.js";
import { Flaw } from "./flaw.js";
import { hashInto, messageOf } from "./sha256.js";

export const HASH = 32;
export const ENTRY_BYTES = 64; // entry_id, u64(first_ticket), u64(count), holder
export const LEAF_BYTES = 73; // u8(kind), entry_id, u64(a), u64(b), x, u64(at)
const LEVELS = 54; // a tree of 2^53 leaves has no more subtrees on its edge

// The messages, written anew for each hash.
const entryMessage = messageOf(1 + ENTRY_BYTES);
const sumMessage = messageOf(81);
const leafMessage = messageOf(1 + LEAF_BYTES);
const nodeMessage = messageOf(65);
sumMessage[0] = nodeMessage[0] = 1;

/** Roots of complete subtrees, largest first: the right edge of a tree that grows. */
class Edge {
  length = 0; // leaves
  depth = 0; // subtrees
  hashes = new Uint8Array(LEVELS * HASH);

  /** After a leaf was put at `depth`: joins equal subtrees. */
  grown() {
    this.depth += 1;
    this.length += 1;
    for (let whole = this.length; whole % 2 === 0; whole /= 2) this.join(--this.depth - 1, this.depth);
  }
}

/** The sum tree over the entries. */
export class SumTree extends Edge {
  #sums = new Float64Array(LEVELS);

  /** Adds the entry that stands from `at` on in these bytes. */
  add(bytes, at, count) {
    entryMessage.set(bytes.subarray(at, at + ENTRY_BYTES), 1);
    hashInto(entryMessage, this.hashes, this.depth * HASH);
    this.#sums[this.depth] = count;
    this.grown();
  }

  join(left, right) {
    putSumNode(this.#sums[left], this.#hash(left), this.#sums[right], this.#hash(right));
    hashInto(sumMessage, this.hashes, left * HASH);
    this.#sums[left] += this.#sums[right];
  }

  #hash(level) {
    return this.hashes.subarray(level * HASH, (level + 1) * HASH);
  }

  /** `{sum, hash}` of the root. Folding from the right gives RFC 9162's shape. */
  root() {
    let root = { sum: this.#sums[this.depth - 1], hash: this.#hash(this.depth - 1).slice() };
    for (let level = this.depth - 2; level >= 0; level -= 1) {
      root = sumNode({ sum: this.#sums[level], hash: this.#hash(level) }, root);
    }
    return root;
  }
}

function putSumNode(leftSum, leftHash, rightSum, rightHash) {
  putU64(sumMessage, 1, leftSum);
  sumMessage.set(leftHash, 9);
  putU64(sumMessage, 41, rightSum);
  sumMessage.set(rightHash, 49);
}

function sumNode(left, right) {
  const sum = left.sum + right.sum;
  if (sum > INTEGER_MAX) throw new Flaw("a sum of tickets is not below 2^53");
  putSumNode(left.sum, left.hash, right.sum, right.hash);
  const hash = new Uint8Array(HASH);
  hashInto(sumMessage, hash, 0);
  return { sum, hash };
}

/** The root that the path of an entry `{entry_id, first_ticket, count, holder, path}` leads to, and the tickets before
 * it. Flaw if the sums leave their range. */
export function climb(entry) {
  entryMessage.set(entryBytes(entry), 1);
  let reached = { sum: entry.count, hash: new Uint8Array(HASH) };
  hashInto(entryMessage, reached.hash, 0);
  let before = 0;
  for (const step of entry.path) {
    const sibling = { sum: step.sum, hash: fromHex(step.hash) };
    if (step.side === "left") {
      reached = sumNode(sibling, reached);
      before += step.sum;
    } else {
      reached = sumNode(reached, sibling);
    }
  }
  return { root: reached, before };
}

/** An entry as its leaf hashes it. */
export function entryBytes({ entry_id: id, first_ticket: first, count, holder }) {
  const bytes = new Uint8Array(ENTRY_BYTES);
  bytes.set(uuidBytes(id));
  putU64(bytes, 16, first);
  putU64(bytes, 24, count);
  bytes.set(fromHex(holder), 32);
  return bytes;
}

export const sameRoot = (one, other) => one.sum === other.sum && equalBytes(one.hash, other.hash);
export const rootText = (root) => toHex(root.hash);

/** The log's tree. */
export class LogTree extends Edge {
  /** Adds the leaf whose data stand from `at` on in these bytes. */
  add(bytes, at) {
    leafMessage.set(bytes.subarray(at, at + LEAF_BYTES), 1);
    hashInto(leafMessage, this.hashes, this.depth * HASH);
    this.grown();
  }

  join(left, right) {
    nodeMessage.set(this.hashes.subarray(left * HASH, (left + 1) * HASH), 1);
    nodeMessage.set(this.hashes.subarray(right * HASH, (right + 1) * HASH), 33);
    hashInto(nodeMessage, this.hashes, left * HASH);
  }

  /** The root's 32 bytes; the empty log's is the hash of nothing. */
  root() {
    const root = new Uint8Array(HASH);
    if (!this.length) {
      hashInto(messageOf(0), root, 0);
      return root;
    }
    root.set(this.hashes.subarray((this.depth - 1) * HASH, this.depth * HASH));
    for (let level = this.depth - 2; level >= 0; level -= 1) {
      nodeMessage.set(this.hashes.subarray(level * HASH, (level + 1) * HASH), 1);
      nodeMessage.set(root, 33);
      hashInto(nodeMessage, root, 0);
    }
    return root;
  }
}

/** The hash of one leaf of the log. */
export function leafHash(data) {
  leafMessage.set(data, 1);
  const hash = new Uint8Array(HASH);
  hashInto(leafMessage, hash, 0);
  return hash;
}

/** The root that an inclusion proof `{index, size, proof}` leads to from a leaf's hash (RFC 9162, 2.1.3.2). Flaw if it
 * has a hash too many or too few, or an index beyond its size. */
export function climbLog(leaf, { index, size, proof }) {
  if (index >= size) throw new Flaw(`leaf ${index} is not among ${size}`);
  let [place, last, reached] = [index, size - 1, leaf.slice()];
  for (const sibling of proof) {
    if (last === 0) throw new Flaw("the inclusion proof has a hash too many");
    const isRight = place % 2 === 1 || place === last;
    nodeMessage.set(isRight ? fromHex(sibling) : reached, 1);
    nodeMessage.set(isRight ? reached : fromHex(sibling), 33);
    hashInto(nodeMessage, reached, 0);
    if (isRight) for (; place % 2 === 0 && place > 0; place /= 2) last = Math.floor(last / 2);
    [place, last] = [Math.floor(place / 2), Math.floor(last / 2)];
  }
  if (last !== 0) throw new Flaw("the inclusion proof has a hash too few");
  return reached;
}
