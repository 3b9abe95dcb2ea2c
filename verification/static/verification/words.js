// The verdict in words, and the facts that it is about.

import { CHECKS, OTHERS } from "./explanations.js";

const count = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });
const DELAY_SAFE = 900; // section 9: below it, a reorganisation or a slow clock could have chosen the round
const REASONS_MAX = 6;
const WINNERS_MAX = 10;
const EXPLORERS = { 1: "https://etherscan.io", 11155111: "https://sepolia.etherscan.io", 42220: "https://celoscan.io" };

/** A time in the visitor's own zone. */
export const localTime = (seconds) => clock.format(new Date(1000 * seconds));

/** An element with this text; never markup. */
export function made(tag, text = "", className = "") {
  const found = document.createElement(tag);
  found.textContent = text;
  found.className = className;
  return found;
}

const VERDICTS = {
  verified: { tone: "good", headline: "✓ VERIFIED" },
  consistent: { tone: "partly", headline: "≈ CONSISTENT" },
  "not verified": { tone: "bad", headline: "✗ NOT VERIFIED" },
  unread: { tone: "open", headline: "Could not be checked" },
};

/** `{tone, banner, headline, lines, winners, canRetry}` for people. */
export function verdictOf({ verdict, failed, isDevelopment }, summary, { place, own }) {
  const words = {
    ...VERDICTS[verdict],
    banner: isDevelopment ? "DEVELOPMENT: a draw on a test chain. It proves nothing." : "",
    lines: [subject(summary)].filter(Boolean),
    winners: own && verdict !== "unread" ? winners(summary) : [],
    canRetry: verdict === "unread" || Boolean(place?.unchecked),
  };
  words.lines.push(...LINES[verdict](summary, { failed, place, own }));
  if (summary.delay < DELAY_SAFE && (verdict === "verified" || verdict === "consistent")) {
    words.lines.push(
      `Only ${summary.delay} seconds lie between the commitment and the draw: a reorganisation of the chain, or a clock that far behind, could have chosen the round.`,
    );
  }
  return words;
}

const LINES = {
  verified: ({ checks, picks, drawnAt }, { own, place }) => [
    `All ${checks.length} checks hold, recomputed on your device. ${nodes(place)} confirm${place.nodes === 1 ? "s" : ""} that the chain holds the same, at block ${count.format(place.block)}.`,
    ...drawn(own, picks, drawnAt),
  ],
  consistent: ({ checks, picks, drawnAt }, { own }) => [
    `${checks.filter((check) => check.state === "passed").length} checks hold, recomputed on your device; none failed.`,
    ...drawn(own, picks, drawnAt),
    "What was not checked:",
  ],
  "not verified": (_, { failed }) => [failed.length === 1 ? "1 check failed:" : `${failed.length} checks failed:`],
  unread: () => ["This says nothing against the draw: a file could not be read as a whole."],
};

const nodes = ({ nodes: number }) => (number === 1 ? "The node that you named" : `All ${number} nodes that you named`);

/** When it was drawn, which a draw's own page says already above its winners; or when it will be. */
function drawn(own, picks, drawnAt) {
  if (drawnAt === null || (picks.length && !own)) return [];
  return [picks.length ? `Drawn on ${localTime(drawnAt)}.` : `The round that decides appears on ${localTime(drawnAt)}.`];
}

function subject({ title, sequence, operator }) {
  return title === undefined ? "" : `Draw ${sequence} of ${operator}: “${title.trim()}”`;
}

function winners({ picks }) {
  const won = picks.filter((pick) => pick.role === "winner").slice(0, WINNERS_MAX);
  return won.map(({ ticket, prize, position }) => `Ticket ${ticket} wins ${prize ?? `prize ${position}`}`);
}

/** What failed, could not be read, or was not checked, a line each. */
export function reasonsOf({ verdict, failed, unread, gaps }) {
  if (verdict === "unread") return unread.map(({ name, detail }) => `${FILES[name] ?? name}: ${detail}.`);
  if (verdict !== "not verified") return gaps;
  const lines = failed.slice(0, REASONS_MAX).map(({ name, detail }) => {
    if (name in OTHERS) return `${OTHERS[name]} ${detail[0].toUpperCase()}${detail.slice(1).replace(/\.$/, "")}.`;
    return `${CHECKS[name][1]} (“${name}”)`; // the details are with the checks, behind their fold
  });
  const more = failed.length - lines.length;
  return more > 0 ? [...lines, `And ${more} more: see every check below.`] : lines;
}

const FILES = { bundle: "The result", "entries file": "The entries", "log file": "The log" };

/** Terms and descriptions of what the verdict is about. Outcomes among the log's first `signedLeaves` are signed in a
 * head that the visitor gave; others are the operator's word. */
export function factsOf(summary, explorer, signedLeaves) {
  if (summary.title === undefined) return [];
  const at = explorer || EXPLORERS[summary.chainId] || "";
  const rows = [
    ["Title", summary.title],
    ["Raffle", code(summary.raffle)],
    ["Draw number", `${summary.sequence}`],
    ["Contract", contractOf(summary, at)],
    ["Wait between commitment and draw", `${count.format(summary.delay)} seconds`],
    ["Tickets", ticketsOf(summary)],
    ["Committed", summary.committedAt ? localTime(summary.committedAt) : "not yet"],
    ...summary.picks.map((pick) => [`Pick ${pick.position}`, pickOf(pick, signedLeaves)]),
    ...transactionsOf(summary, at),
    ["Fingerprint of the promise", code(summary.manifestHash)],
    ["Fingerprint of entries and log", code(summary.commitment)],
    ["Root of the entries", code(summary.root)],
    ["Root of the log", code(summary.logRoot)],
    ...(summary.seed ? [["Seed", code(summary.seed)]] : []),
  ];
  return rows.flatMap(([term, description]) => [made("dt", term), described(description)]);
}

function described(content) {
  const found = made("dd");
  found.append(content);
  return found;
}

const code = (text) => made("code", text);

function link(text, address) {
  const found = made("a");
  found.append(code(text));
  found.href = address;
  found.rel = "noreferrer";
  return found;
}

function contractOf({ chainId, contract }, explorer) {
  if (contract === null) return "none: this draw is on no chain";
  const found = made("span");
  found.append(explorer ? link(contract, `${explorer}/address/${contract}`) : code(contract), ` on chain ${chainId}`);
  return found;
}

function ticketsOf({ tickets, entries, withdrawnTickets }) {
  const withdrawn = withdrawnTickets === null ? "" : `; ${count.format(withdrawnTickets)} were withdrawn before`;
  return `${count.format(tickets)}, in ${count.format(entries)} entries${withdrawn}`;
}

function pickOf({ ticket, role, prize, outcome }, signedLeaves) {
  const became = outcome === null ? "" : ` – ${outcomeOf(outcome, signedLeaves)}`;
  return `ticket ${ticket}, ${role === "winner" ? prize : "alternate"}${became}`;
}

function outcomeOf({ place, kind, prize, unclaimed, at }, signedLeaves) {
  const what = { claimed: `prize ${prize} handed over`, forfeited: unclaimed ? "nobody came" : "forfeited" }[kind];
  const proof = place < signedLeaves ? "signed in the head that you gave" : "the operator's word";
  return `${what}, ${localTime(at)} (${proof})`;
}

function transactionsOf({ transactions }, explorer) {
  const names = { announce: "Announced", commit: "Committed on the chain", settlement: "Settled" };
  return Object.entries(transactions)
    .filter(([, mined]) => mined !== null)
    .map(([step, { transaction, block }]) => {
      const found = made("span");
      found.append(explorer ? link(transaction, `${explorer}/tx/${transaction}`) : code(transaction), `, block ${block}`);
      return [names[step], found];
    });
}
