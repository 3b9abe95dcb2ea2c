// "Were my tickets in?": from a receipt, a ticket number or an entry id; and what a head says of the log.

import { Flaw, NotChecked } from "./flaw.js";
import { fitsHolder, judgeHead, judgeReceipt, readSigned } from "./receipts.js";

const TICKET = /^[1-9][0-9]{0,15}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** What a visitor's text says of the draw that was found: `{outcome, tone, lines, conviction}`. `tone` is "good",
 * "bad", "warn" or "open" (not checked); `conviction` is why a signed promise was broken, or "";
 * `signedLeaves` is how many leaves of the log the head signs that was given, 0 without one. */
export function answer(text, found) {
  try {
    if (/^\s*[{[]/.test(text)) return ofSigned(text, found);
    return ofTicket(text.trim().toLowerCase(), found);
  } catch (error) {
    if (error instanceof NotChecked) return told("not checked", "open", [`Not checked: ${error.message}.`]);
    const why = error instanceof Flaw ? error.message : "it cannot be read";
    return told("not a receipt", "warn", [`This is not a receipt of this raffle: ${why}.`]);
  }
}

const told = (outcome, tone, lines, conviction = "", signedLeaves = 0) => ({ outcome, tone, lines, conviction, signedLeaves });

function ofSigned(text, found) {
  const [kind, signed] = readSigned(text);
  if (found.bundle === null) throw new NotChecked("the result could not be read");
  return kind === "head" ? ofHead(signed, found) : ofReceipt(signed, found);
}

function ofReceipt(receipt, found) {
  const outcome = judgeReceipt(receipt, found);
  const { first_ticket: first, count, entry_id: id } = receipt;
  const tickets = span(first, count);
  const named = count === 1 ? `ticket ${first}` : `tickets ${first} to ${first + count - 1}`;
  switch (outcome) {
    case "in":
      return told(outcome, "good", [`Yes. ${tickets} in the draw.`, ...picksAmong(first, count, found), ...nonceLines(receipt)]);
    case "withdrawn":
      return told(outcome, "warn", [
        `No: ${named} came out again before the entries were fixed, as after a refund.`,
        "If you were not refunded, contest it with this receipt and your bank statement.",
      ]);
    case "left out":
      return told(
        outcome,
        "bad",
        [`No: ${tickets} not in the draw, although the operator signed that they would be.`, "Keep this receipt: it proves it."],
        `The operator signed a receipt for entry ${id} (${named}) and left it out.`,
      );
    case "contradicting":
      return told(
        outcome,
        "bad",
        [`The operator signed this receipt for the same raffle under another promise, ${receipt.manifest_hash}.`],
        `The operator signed a receipt for this raffle under another promise, ${receipt.manifest_hash}.`,
      );
    default:
      return told(outcome, "warn", [`This receipt is of another promise, ${receipt.manifest_hash}, raffle ${receipt.raffle}.`]);
  }
}

function nonceLines(receipt) {
  return fitsHolder(receipt) ? [] : ["Its nonce is not the one of its entry: it does not show that the entry is yours."];
}

function ofHead(head, found) {
  const outcome = judgeHead(head, found);
  if (outcome !== "kept") {
    return told("broken head", "bad", [`The log is not what the operator signed: ${outcome}.`], `A signed head of the log: ${outcome}.`);
  }
  const whole = head.size === found.log.length ? "all of them, outcomes included" : `the log has ${found.log.length} now`;
  const line = `The log goes on from this head: its first ${head.size} leaves are those signed (${whole}).`;
  return told("kept head", "good", [line], "", head.size);
}

/** Where a ticket number or an entry id stands in the entries. */
function ofTicket(wanted, found) {
  if (!TICKET.test(wanted) && !UUID.test(wanted)) {
    return told("nothing", "warn", ["Please type a ticket number or an entry id, or paste your receipt."]);
  }
  if (found.entries === null) throw new NotChecked("the entries could not be read");
  const isTicket = TICKET.test(wanted);
  const row = isTicket ? found.entries.withTicket(Number(wanted)) : found.entries.withId(wanted);
  const what = isTicket ? `Ticket ${wanted}` : "This entry";
  if (row === null) {
    return told("not in", "warn", [`${what} is not in the draw. A ticket that was refunded or never sold leaves a gap.`]);
  }
  const { first_ticket: first, count } = row;
  const place = `Entry ${row.entry_id}: ${span(first, count)} entry ${row.place + 1} of ${found.entries.length}, with ${row.before} tickets before.`;
  return told("in", "good", [`Yes. ${what} is in the draw.`, ...picksAmong(first, count, found), place]);
}

function span(first, count) {
  return count === 1 ? `Ticket ${first} is` : `Tickets ${first} to ${first + count - 1} (${count} tickets) are`;
}

/** Which of the picks lie among these tickets; before the draw, that it is still to come. */
function picksAmong(first, count, { bundle, promise, stage }) {
  if (stage !== "drawn") return ["The draw is still to come."];
  const ours = bundle.picks.filter((pick) => first <= pick.ticket && pick.ticket < first + count);
  if (!ours.length) return ["None of them was picked in this draw."];
  return ours.map(({ ticket, position, prize }) => {
    const name = prize === null ? "alternate" : `winner of ${promise?.prizes[prize - 1]?.name ?? `prize ${prize}`}`;
    return `Ticket ${ticket} was pick ${position}: ${name}.`;
  });
}
