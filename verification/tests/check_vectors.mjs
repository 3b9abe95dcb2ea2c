// Runs the page's trees, log, commitment, seed, picks and signatures under node on worked examples, read as JSON on
// standard input, and writes what they come to.

import { fromHex, toHex } from "../static/verification/bytes.js";
import { isSigned, pointOfReceiptKey } from "../static/verification/ed25519.js";
import { readEntries } from "../static/verification/entries.js";
import { checkKinds, checkMatch, lastTicketSold, readLog, readPurchases } from "../static/verification/log.js";
import { commitmentOf, pickedIndices, seedOf } from "../static/verification/picks.js";
import { sha256 } from "../static/verification/sha256.js";
import { climb, climbLog, rootText } from "../static/verification/trees.js";

const told = JSON.parse(await new Response(process.stdin).text());
const csv = (header, rows) => new TextEncoder().encode([header, ...rows.map((row) => row.join(","))].join("\n") + "\n");
const silent = () => {};

async function ofDraw(vector) {
  const entries = await readEntries([csv("entry_id,first_ticket,count,holder", vector.entries)], 0, silent);
  const log = await readLog([csv("kind,entry_id,a,b,x,at", vector.log)], vector.log_size, 0, silent);
  checkKinds(log);
  const purchases = readPurchases(log, Number.MAX_SAFE_INTEGER);
  lastTicketSold(purchases, Number.MAX_SAFE_INTEGER);
  checkMatch(purchases, entries);
  const root = entries.root();
  const commitment = commitmentOf(root.hash, root.sum, log.root, log.size);
  const seed = seedOf({
    chainHash: fromHex(vector.chain_hash),
    round: vector.round,
    randomness: fromHex(vector.randomness),
    manifestHash: fromHex(vector.manifest_hash),
    commitment,
    tickets: root.sum,
  });
  return {
    ...{ log_root: toHex(log.root), root: rootText(root), tickets: root.sum, commitment: toHex(commitment) },
    ...{ seed: toHex(seed), picks: pickedIndices(seed, root.sum, vector.wanted) },
    ...{ path: ofPath(vector, entries), inclusion: ofProof({ size: vector.log_size, ...vector.inclusion_of }) },
  };
}

function ofPath({ path_of: { position, path } }, entries) {
  const { root, before } = climb({ ...entries.at(position), path });
  return { root: rootText(root), tickets: root.sum, isBefore: before === entries.at(position).before };
}

function ofProof({ leaf, index, size, proof }) {
  try {
    return toHex(climbLog(fromHex(leaf), { index, size, proof }));
  } catch (error) {
    return error.message;
  }
}

function ofSignature({ key, message, signature }) {
  try {
    pointOfReceiptKey(key);
  } catch (error) {
    return error.message;
  }
  return isSigned(signature, fromHex(message), key);
}

const results = {
  draws: await Promise.all((told.draws ?? []).map((vector) => ofDraw(vector))),
  proofs: (told.proofs ?? []).map((proof) => ofProof(proof)),
  signatures: (told.signatures ?? []).map(ofSignature),
  hashes: (told.messages ?? []).map((message) => toHex(sha256(fromHex(message)))),
};
process.stdout.write(JSON.stringify(results));
