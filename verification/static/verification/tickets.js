// "Were my tickets in?": from a purchase's proof, or from a ticket number or entry id once the entries are loaded.

import { climb, rootText } from "./entries.js";
import { Flaw } from "./flaw.js";
import { parseJson } from "./json.js";
import { PROOF, conform } from "./shapes.js";

/** What the text of a proof shows, held against `facts {raffle, root, tickets, picks, recomputed, published}`:
 * `{holds, lines}`. */
export function judgeProof(text, facts) {
  try {
    const proof = readProof(text);
    const before = checkProof(proof, facts);
    const line = `Yes. ${span(proof.first_ticket, proof.count)} in the draw, with ${before} tickets before them.`;
    return {
      holds: true,
      lines: [line, reached(facts), ...facts.published, ...picksAmong(proof.first_ticket, proof.count, facts.picks)],
    };
  } catch (error) {
    const why = error instanceof Flaw ? error.message : "it cannot be read";
    return { holds: false, lines: [`This proof does not hold: ${why}.`] };
  }
}

function readProof(text) {
  const found = parseJson(text.trim());
  if (typeof found !== "object" || found === null || Array.isArray(found)) throw new Flaw("it is not a JSON object");
  const known = Object.keys(PROOF).filter((name) => name in found);
  const proof = Object.fromEntries(known.map((name) => [name, found[name]]));
  conform(proof, PROOF, "proof");
  return proof;
}

/** The tickets before the entry; Flaw unless its path leads from it to the root and number of tickets of the facts. */
function checkProof(proof, facts) {
  if (proof.raffle !== facts.raffle) throw new Flaw("it is of another raffle");
  if (proof.root !== facts.root || proof.tickets !== facts.tickets) {
    throw new Flaw("it names another fingerprint of the entries than the published one");
  }
  const { root, before } = climb(proof);
  if (rootText(root) !== facts.root || root.sum !== facts.tickets) {
    throw new Flaw("its path does not lead to the published fingerprint of the entries");
  }
  if (before !== proof.tickets_before) throw new Flaw("it misstates how many tickets come before");
  return before;
}

function reached({ root, recomputed }) {
  const whence = recomputed ? "which this page has just recomputed from all the entries" : "as published on this page";
  return `Your proof leads to the fingerprint ${root.slice(0, 16)}…, ${whence}.`;
}

/** Where a ticket number or an entry id stands in the loaded entries: `{holds, lines}`. */
export function findTicket(text, entries, picks) {
  const wanted = text.trim().toLowerCase();
  const isTicket = /^[1-9][0-9]{0,19}$/.test(wanted);
  if (!isTicket && !/^[0-9a-f-]{36}$/.test(wanted)) {
    return {
      holds: false,
      lines: ["Please type a ticket number, or an entry id such as 0c5ab6a1-2a4b-4a4e-8f3e-0b5a5c3a9d01."],
    };
  }
  const ticket = isTicket ? BigInt(wanted) : 0n;
  const row = entries.find(
    isTicket
      ? (row) => row.firstTicket <= ticket && ticket < row.firstTicket + row.count
      : (row) => row.entryId === wanted,
  );
  if (row === null) {
    const what = isTicket ? `Ticket ${ticket}` : "This entry";
    return {
      holds: false,
      lines: [`${what} is not in the draw. A ticket that was refunded or never sold leaves a gap.`],
    };
  }
  const line = `Yes. ${isTicket ? `Ticket ${ticket}` : "This entry"} is in the draw: entry ${row.entryId}.`;
  const ordinal = `entry ${row.place + 1} of ${entries.length}`;
  const place = `${span(row.firstTicket, row.count)} ${ordinal}, with ${row.before} tickets before.`;
  return { holds: true, lines: [line, place, ...picksAmong(row.firstTicket, row.count, picks)] };
}

function span(first, count) {
  return count === 1n ? `Ticket ${first} is` : `Tickets ${first} to ${first + count - 1n} (${count} tickets) are`;
}

/** Which of the picks lie among these tickets; nothing is said before the draw. */
function picksAmong(first, count, picks) {
  if (!picks) return [];
  const ours = picks.filter((pick) => first <= pick.ticket && pick.ticket < first + count);
  if (!ours.length) return ["None of them was picked in this draw."];
  return ours.map((pick) => `Ticket ${pick.ticket} was pick ${pick.position}: ${pick.role}.`);
}
