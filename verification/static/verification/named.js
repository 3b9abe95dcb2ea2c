// The source of randomness that a visitor trusts, instead of drand quicknet: an object as in the manifest.

import { Flaw } from "./flaw.js";
import { parseJson } from "./json.js";
import { BEACON, conform } from "./shapes.js";

const BEACON_TEXT_MAX = 4 * 1024; // one has some 400

/** `{flaws, unread}` of a visitor's text against the beacon that the draw promises: `flaws` says in which members it
 * differs, none if it is the same; `unread` why the text is no beacon, or "". All five members count: with another
 * genesis a round of the past would fit. */
export function checkNamed(text, promised) {
  let named;
  try {
    if (text.length > BEACON_TEXT_MAX) throw new Flaw("it is too long");
    named = parseJson(text);
    conform(named, BEACON, "beacon");
  } catch (error) {
    return { flaws: [], unread: error instanceof Flaw ? error.message : "it cannot be read" };
  }
  const others = Object.keys(BEACON).filter((name) => named[name] !== promised[name]);
  return { flaws: others.map((name) => `${name} of the promised beacon is not that of the one you named`), unread: "" };
}
