// Section 9 of the protocol: the verdict that follows from the checks.

import { DEVELOPMENT_CHAIN } from "./manifest.js";

/** `{verdict, failed, unread, gaps, isDevelopment}` of a summary (see summary.js), of what became of asking nodes for the
 * place (see place.js; null: none was asked), of receipts and heads that convict the operator, and of the beacon that the
 * visitor named (see named.js; null: none).
 *
 * The verdict is "verified", "consistent", "not verified" or "unread": a file could not be read, which says nothing
 * against the draw. `gaps` are lines on what was not checked.
 */
export function judge(summary, place = null, convictions = [], named = null) {
  const failed = summary.checks.filter((check) => check.state === "failed");
  if (place !== null) failed.push(...place.flaws.map((detail) => ({ name: "place", state: "failed", detail })));
  failed.push(...convictions.map((detail) => ({ name: "receipt", state: "failed", detail })));
  if (named !== null) failed.push(...named.flaws.map((detail) => ({ name: "source", state: "failed", detail })));
  const unread = summary.checks.filter((check) => check.isUnreadable);
  const gaps = [...gapsOf(summary, place, named)];
  return { verdict: verdictOf(failed, unread, gaps, summary), failed, unread, gaps, isDevelopment: isDevelopment(summary) };
}

function verdictOf(failed, unread, gaps, summary) {
  if (failed.length) return "not verified";
  if (unread.length) return "unread";
  return gaps.length || isDevelopment(summary) ? "consistent" : "verified";
}

const isDevelopment = (summary) => summary.chainId === DEVELOPMENT_CHAIN;

function* gapsOf(summary, place, named) {
  if (!summary.hasLog) {
    yield "The log: it was not given. Whether anybody was left out of the entries was not checked.";
  }
  if (summary.stage === "published") {
    yield "The commitment and the draw: they are still to come.";
  }
  if (summary.stage === "committed") {
    yield "The draw: its round is still awaited. Everything up to now fits together.";
  }
  if (summary.beacon === "foreign" && (named === null || named.unread)) {
    yield "The source of randomness: it is not drand quicknet. Whoever holds its key could have chosen the result.";
  }
  yield* placeGaps(summary, place);
}

function* placeGaps({ chainId, contract }, place) {
  if (chainId === null) {
    yield "The time: this draw is on no chain. When its entries were published is the operator's word.";
  } else if (place === null) {
    yield `The place: no node was asked if contract ${contract.slice(0, 10)}… on chain ${chainId} says the same.`;
  } else if (place.unchecked) {
    yield `The place: ${place.unchecked}.`;
  }
}
