// Section 9 of the protocol: the draw's place on its chain, as nodes of the visitor's own choice report it.
//
// It runs in the page, not in the worker: it costs no time to speak of, and the page's policy says where it may connect.

import { sha256 } from "./sha256.js";
import { fromHex, toHex } from "./bytes.js";
import { NotChecked } from "./flaw.js";

/** The contract's runtime code, before the constants that its constructor appends and that are asked for by name. From
 * `runtime` in verification/contract/draws.json. */
export const RUNTIME = { bytes: 10929, sha256: "d6cf6da835995b6e3f45c5aed96b686d7f3fc184f4f37a289fdb3547aa1f9a50" };

/** The first four bytes of the Keccak hash of each function's name. */
export const SELECTORS = {
  "draws(bytes32)": "a41e4c70",
  "CHAIN_HASH()": "9acbc4ca",
  "GENESIS_TIME()": "f2882461",
  "PERIOD()": "b4d1d795",
  "VOID_AFTER()": "cdd63b99",
  "public_key()": "e0e349c4",
};
const CONSTANTS = ["CHAIN_HASH()", "GENESIS_TIME()", "PERIOD()", "VOID_AFTER()", "public_key()"];
const STATUS = ["unknown", "announced", "committed", "settled", "void", "lapsed"];
const FIELDS = [
  ..."status raffle sequence delay_seconds commit_by announced_at committed_at tickets wanted round".split(" "),
  ..."commitment seed void_at".split(" "),
];
const NODES_MAX = 10;
const ANSWER_BYTES_MAX = 1024 * 1024;
const SECONDS_MAX = 20;

/** The addresses in what a visitor typed; NotChecked if one of them is none. */
export function nodesIn(text) {
  const found = text.split(/[\s,]+/).filter(Boolean);
  for (const address of found) {
    if (!isAddress(address)) {
      throw new NotChecked(`${address} is not the address of a node, such as https://ethereum-rpc.example`);
    }
  }
  if (!found.length) throw new NotChecked("no node was named");
  if (found.length > NODES_MAX) throw new NotChecked(`more than ${NODES_MAX} nodes were named`);
  return found;
}

function isAddress(text) {
  try {
    return /^https?:$/.test(new URL(text).protocol);
  } catch {
    return false;
  }
}

/** What nodes say of a draw, held against what its files say (`expected`, see worker.js): `{unchecked, flaws, block}`.
 * `unchecked` is why the place was not checked, `flaws` what the nodes agree on and the files do not. */
export async function checkPlace(text, expected, ask = askNode) {
  try {
    const nodes = nodesIn(text);
    const block = await commonBlock(nodes, expected, ask);
    const states = await Promise.all(nodes.map((node) => stateAt(node, block, expected, ask)));
    if (states.some((state) => JSON.stringify(state) !== JSON.stringify(states[0]))) {
      throw new NotChecked("the nodes contradict each other");
    }
    return { unchecked: "", flaws: [...flawsIn(states[0], expected, block.number)], block: block.number, nodes: nodes.length };
  } catch (error) {
    if (error instanceof ChainFlaw) return { unchecked: "", flaws: [error.message], block: null, nodes: 0 };
    if (error instanceof NotChecked) return { unchecked: error.message, flaws: [], block: null, nodes: 0 };
    throw error;
  }
}

/** The nodes agree on a chain that is not the draw's. */
class ChainFlaw extends Error {}

/** One finalized block that all nodes give with the same number and hash. */
async function commonBlock(nodes, { chainId, minedIn }, ask) {
  const chains = await Promise.all(nodes.map(async (node) => number(await ask(node, "eth_chainId", []))));
  if (chains.some((id) => id !== chains[0])) throw new NotChecked("the nodes are of different chains");
  if (chains[0] !== chainId) throw new ChainFlaw(`the nodes are of chain ${chains[0]}, expected ${chainId}`);
  const finalized = await Promise.all(nodes.map((node) => blockOf(node, "finalized", ask)));
  const least = Math.min(...finalized.map((block) => block.number));
  if (least < minedIn) throw new NotChecked(`block ${minedIn} is not final yet on these nodes; theirs is ${least}`);
  const tag = `0x${least.toString(16)}`;
  const common = await Promise.all(nodes.map((node) => blockOf(node, tag, ask)));
  if (common.some((block) => block.number !== least || block.hash !== common[0].hash)) {
    throw new NotChecked(`the nodes contradict each other about block ${least}`);
  }
  return { number: least, tag };
}

async function blockOf(node, tag, ask) {
  const block = await ask(node, "eth_getBlockByNumber", [tag, false]);
  if (typeof block !== "object" || block === null || !/^0x[0-9a-f]{64}$/i.test(block.hash)) {
    throw new NotChecked(`${host(node)} has no ${tag} block`);
  }
  return { number: number(block.number), hash: block.hash.toLowerCase() };
}

/** What one node says of the contract and the draw. */
async function stateAt(node, { tag }, { contract, manifestHash }, ask) {
  const code = hexOf(await ask(node, "eth_getCode", [contract, tag]));
  if (!isPinned(code)) return { code: `${code.length / 2} bytes, SHA-256 ${toHex(sha256(fromHex(code)))}` };
  const call = async (name, argument = "") => {
    const data = `0x${SELECTORS[name]}${argument}`;
    return hexOf(await ask(node, "eth_call", [{ to: contract, data }, tag]));
  };
  const constants = {};
  for (const name of CONSTANTS) constants[name] = await call(name);
  return { code: "", constants, draw: fieldsOf(await call("draws(bytes32)", manifestHash)) };
}

/** Does it begin with the pinned code? The constants behind it are held against the promise one by one. */
function isPinned(code) {
  const own = code.slice(0, 2 * RUNTIME.bytes);
  return own.length === 2 * RUNTIME.bytes && toHex(sha256(fromHex(own))) === RUNTIME.sha256;
}

function fieldsOf(words) {
  if (words.length !== 64 * FIELDS.length) return null;
  return Object.fromEntries(FIELDS.map((name, n) => [name, words.slice(64 * n, 64 * n + 64)]));
}

function* flawsIn(state, expected, block) {
  if (state.code) {
    yield `the code at ${expected.contract} is not that of the published contract (it has ${state.code})`;
    return;
  }
  for (const [name, value] of Object.entries(expected.constants)) {
    if (state.constants[name] !== value) yield `the contract's ${name} is ${state.constants[name]}, expected ${value}`;
  }
  if (state.draw === null) {
    yield "the contract's answer about the draw has not the expected form";
    return;
  }
  yield* flawsInDraw(state.draw, expected, block);
}

function* flawsInDraw(draw, { fields, statuses, earliestLeaf, settledIn }, block) {
  const status = STATUS[Number(BigInt(`0x${draw.status}`))] ?? draw.status;
  // A settlement that the bundle names may not be final yet on these nodes.
  const isEarly = status === "committed" && settledIn > block;
  if (!statuses.includes(status) && !isEarly) {
    yield `the contract has the draw as ${status}, expected ${statuses.join(" or ")}`;
    return;
  }
  // The seed takes the commitment's place at the settlement: the contract shows one of them.
  const skipped = status === "settled" ? "commitment" : "seed";
  const isCommitted = status === "committed" || status === "settled";
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || name === skipped || (isLater(name) && !isCommitted)) continue;
    if (draw[name] !== value) yield `the contract's ${name} is ${readable(draw[name])}, expected ${readable(value)}`;
  }
  const announcedAt = BigInt(`0x${draw.announced_at}`);
  if (earliestLeaf !== null && announcedAt > BigInt(earliestLeaf)) {
    yield `announced at ${announcedAt}, after the first leaf of the log at ${earliestLeaf}`;
  }
}

const isLater = (name) => ["committed_at", "tickets", "wanted", "round", "commitment", "seed"].includes(name);

/** A word for people: a number where it is a small one. */
function readable(word) {
  const value = BigInt(`0x${word}`);
  return value < 2n ** 64n ? `${value}` : `0x${word}`;
}

function number(value) {
  if (!/^0x[0-9a-f]{1,13}$/i.test(value)) throw new NotChecked("a node's answer is not a number");
  return Number(value);
}

function hexOf(value) {
  if (!/^0x([0-9a-f]{2})*$/i.test(value)) throw new NotChecked("a node's answer is not hex");
  return value.slice(2).toLowerCase();
}

const host = (node) => new URL(node).host;

/** The result of one JSON-RPC call. NotChecked if the node does not answer, or answers with an error. */
async function askNode(node, method, params) {
  const request = { jsonrpc: "2.0", id: 1, method, params };
  let text;
  try {
    const answer = await fetch(node, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(request),
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(1000 * SECONDS_MAX),
    });
    if (!answer.ok) throw new NotChecked(`${host(node)} answers ${answer.status}`);
    text = await bounded(answer);
  } catch (error) {
    if (error instanceof NotChecked) throw error;
    throw new NotChecked(`${host(node)} does not answer this page`);
  }
  return resultIn(text, node, method);
}

async function bounded(answer) {
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    size += step.value.length;
    if (size > ANSWER_BYTES_MAX) {
      await reader.cancel();
      throw new NotChecked("a node's answer is too long");
    }
    text += decoder.decode(step.value, { stream: true });
  }
  return text;
}

function resultIn(text, node, method) {
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // Judged below, like any other answer without a result.
  }
  if (answer?.result === undefined) throw new NotChecked(`${host(node)} gives no answer to ${method}`);
  return answer.result;
}
