// Records of bytes, one after the other in one buffer, and a hash table that finds one by some of its bytes.

const dice = crypto.getRandomValues(new Uint32Array(4)); // so that no file can be made to be slow here

/** An index over `width` bytes at `offset` of records of `size` bytes. */
export class ByteIndex {
  #slots;
  #count = 0;

  /** `expected` is about how many records there will be: growing costs as much as adding. */
  constructor(records, { size, offset, width, expected }) {
    Object.assign(this, { records, size, offset, width });
    let slots = 64;
    while (slots < 2 * expected + 2) slots *= 2;
    this.#slots = new Int32Array(slots).fill(-1);
  }

  /** Adds the record at a place; returns the place of an earlier one with the same bytes, which stays, or -1. */
  add(place) {
    if (2 * this.#count >= this.#slots.length) this.#grow();
    const at = this.#slotOf(this.records.bytes, place * this.size + this.offset);
    if (this.#slots[at] !== -1) return this.#slots[at];
    this.#slots[at] = place;
    this.#count += 1;
    return -1;
  }

  /** The place of the record with these bytes, or -1. */
  find(bytes, start = 0) {
    return this.#slots[this.#slotOf(bytes, start)];
  }

  #grow() {
    const places = this.#slots;
    this.#slots = new Int32Array(2 * places.length).fill(-1);
    for (const place of places) {
      if (place !== -1) this.#slots[this.#slotOf(this.records.bytes, place * this.size + this.offset)] = place;
    }
  }

  /** The slot that holds these bytes, or the free one where they belong. */
  #slotOf(bytes, start) {
    const mask = this.#slots.length - 1;
    let slot = this.#mixed(bytes, start) & mask;
    while (this.#slots[slot] !== -1 && !this.#equal(this.#slots[slot], bytes, start)) slot = (slot + 1) & mask;
    return slot;
  }

  #mixed(bytes, start) {
    let mix = dice[0];
    for (let n = 0; n < this.width; n += 1) mix = Math.imul(mix ^ bytes[start + n] ^ (mix >>> 15), dice[1] | 1);
    return mix ^ (mix >>> 16);
  }

  #equal(place, bytes, start) {
    const own = place * this.size + this.offset;
    for (let n = 0; n < this.width; n += 1) if (this.records.bytes[own + n] !== bytes[start + n]) return false;
    return true;
  }
}

/** Records of one size, one after the other in one buffer that grows. */
export class Records {
  length = 0;

  constructor(size, expected = 0) {
    this.size = size;
    this.bytes = new Uint8Array(size * Math.max(16, expected));
  }

  /** Where the next record begins in `bytes`, which has room for it. It counts once `length` does. */
  next() {
    if ((this.length + 1) * this.size > this.bytes.length) {
      const former = this.bytes;
      this.bytes = new Uint8Array(2 * former.length);
      this.bytes.set(former);
    }
    return this.length * this.size;
  }

  at(place) {
    return this.bytes.subarray(place * this.size, (place + 1) * this.size);
  }
}
