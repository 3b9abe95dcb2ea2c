// What a check throws that does not hold or could not run, and how foreign values are shown.

/** A check does not hold; the message says why. Its text is plain ASCII, whatever the files hold. */
export class Flaw extends Error {}

/** A check could not run: nothing is known against the draw. The message says why, and what could help. */
export class NotChecked extends Error {}

/** A file is not what it was given as, or not all of it: nothing is known against the draw. */
export class Unreadable extends NotChecked {}

/** `value` for people: escaped to ASCII and cut to 100 characters. */
export function shown(value) {
  const text = escaped(written(value));
  return text.length <= 100 ? text : `${text.slice(0, 97)}...`;
}

function written(value) {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 200));
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return `an object with ${Object.keys(value).slice(0, 5).join(", ")}`;
  return `${value}`;
}

function escaped(text) {
  return text.replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Flaw unless the two are equal and of one type. */
export function same(found, expected, what) {
  if (found !== expected) throw new Flaw(`${what} is ${shown(found)}, expected ${shown(expected)}`);
}
