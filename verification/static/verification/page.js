// The page of one draw: starts the worker, shows each check as it comes and the verdict, and asks it about tickets.

import { CHECKS } from "./explanations.js";
import { checkNamed } from "./named.js";
import { checkPlace } from "./place.js";
import { judge } from "./verdict.js";
import { factsOf, localTime, made, reasonsOf, verdictOf } from "./words.js";

const element = (id) => document.getElementById(id);
const count = new Intl.NumberFormat("en");
const section = element("check");
const RECEIPT_FILE_MAX = 64 * 1024;

let worker = null;
let source = null; // what is being checked: {bundle, entries, log, rows, own}
let summary = null;
let place = null; // what became of asking nodes; null: none was asked
let convictions = []; // receipts and heads that the draw breaks
let named = null; // what became of the beacon that the visitor named; null: none was
let signedLeaves = 0; // of the log, by the largest head that was given and holds
let waiting = null; // a question to ask once the files are read

/** A worker of its own for each verification: starting another ends what is under way. */
function restart() {
  worker?.terminate();
  worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => SHOW[data.kind](data);
  worker.onerror = () => showVerdict({ tone: "open", headline: "Could not be checked", lines: ["This browser could not run the check. Please try another one."] });
  [summary, place, convictions, named, signedLeaves] = [null, null, [], null, 0];
}

const SHOW = {
  check: ({ check }) => showCheck(check),
  progress: ({ file, rows }) => showProgress(file, rows),
  report: (data) => showReport(data.summary),
  answer: ({ answer }) => showAnswer(answer),
};

function start(files) {
  restart();
  source = files;
  for (const id of ["checks", "verdict", "facts-list"]) element(id).replaceChildren();
  element("verdict").className = "";
  for (const id of ["facts", "place", "source"]) element(id).hidden = true;
  element("details").hidden = false;
  showWork("Reading the result…");
  for (const row of document.querySelectorAll("[data-pick-check]")) row.textContent = "";
  const { bundle, entries, log } = files;
  worker.postMessage({ task: "verify", bundle, entries, log });
}

function showWork(text) {
  element("progress").hidden = false;
  element("bar").removeAttribute("value");
  element("progress-text").textContent = text;
}

function showProgress(file, rows) {
  const expected = file === "entries" ? source.rows : 0;
  if (expected) {
    element("bar").max = expected;
    element("bar").value = Math.min(rows, expected);
  } else {
    element("bar").removeAttribute("value");
  }
  const whole = expected ? ` of ${count.format(expected)}` : "";
  element("progress-text").textContent = `Reading the ${file}: ${count.format(rows)}${whole}`;
}

const MARKS = { passed: "✓ passed", failed: "✗ failed", unchecked: "– not checked" };

function showCheck({ name, state, detail }) {
  const [title, broken] = CHECKS[name];
  const line = made("li", "", state);
  line.dataset.check = name;
  line.append(made("span", MARKS[state], "mark"), made("span", title, "what"));
  if (state === "failed") line.append(made("span", broken, "broken"));
  line.append(made("span", `${name}: ${detail}`, "detail"));
  element("checks").append(line);
  element("progress-text").textContent = `${title}…`;
}

function showReport(found) {
  summary = found;
  const passed = found.checks.filter((check) => check.state === "passed").length;
  element("details-summary").textContent = `Every check, one by one (${passed} of ${found.checks.length} passed)`;
  element("facts").hidden = found.title === undefined;
  element("place").hidden = found.place === null;
  element("source").hidden = found.beacon !== "foreign";
  const again = element("again");
  if (again) again.textContent = "Check again";
  judgeAgain();
  if (waiting !== null) ask(waiting);
}

/** Shows the verdict that follows from all that is known by now. */
function judgeAgain() {
  const judged = judge(summary, place, convictions, named);
  const words = verdictOf(judged, summary, { place, own: source.own });
  showVerdict({ ...words, reasons: reasonsOf(judged) });
  element("details").open = judged.verdict === "not verified";
  element("facts-list").replaceChildren(...factsOf(summary, section.dataset.explorer, signedLeaves));
  if (source.own) return;
  for (const row of document.querySelectorAll("[data-pick-check]")) markPick(row, summary, judged.verdict);
}

/** Says beside a pick that the server showed whether the recomputed result has it too. */
function markPick(row, { picks }, verdict) {
  const isSame = picks.some(({ position, ticket }) => `${position}` === row.dataset.position && `${ticket}` === row.dataset.ticket);
  row.classList.toggle("differs", picks.length > 0 && !isSame);
  row.textContent = "";
  if (isSame && (verdict === "verified" || verdict === "consistent")) row.textContent = "✓ recomputed on your device";
  else if (picks.length && !isSame) row.textContent = "✗ the result file names another ticket";
}

/** `tone` is a class of the verdict's colour; `lines` are paragraphs, `reasons` and `winners` lists. */
function showVerdict({ tone, banner = "", headline, lines, reasons = [], winners = [], canRetry = false }) {
  element("progress").hidden = true;
  const box = element("verdict");
  box.className = tone;
  const parts = [made("p", headline, "headline"), ...lines.map((line) => made("p", line))];
  if (banner) parts.unshift(made("p", banner, "banner"));
  if (winners.length) parts.push(listOf(winners, "winners"));
  if (reasons.length) parts.push(listOf(reasons, "reasons"));
  if (canRetry && source) parts.push(retryButton());
  box.replaceChildren(...parts);
}

function listOf(texts, className) {
  const list = made("ul", "", className);
  list.append(...texts.map((text) => made("li", text)));
  return list;
}

function retryButton() {
  const button = made("button", "Retry", "retry");
  button.type = "button";
  // Either the nodes did not answer, or a file could not be had.
  button.addEventListener("click", () => (place?.unchecked ? askNodes() : start(source)));
  return button;
}

function showAnswer({ tone, lines, conviction, signedLeaves: signed = 0 }) {
  const answer = element("answer");
  if (answer) {
    answer.className = tone;
    answer.replaceChildren(...lines.map((line, n) => made("p", line, n ? "" : "headline")));
  }
  const isNew = Boolean(conviction) && !convictions.includes(conviction);
  if (isNew) convictions.push(conviction);
  if (isNew || signed > signedLeaves) {
    signedLeaves = Math.max(signed, signedLeaves);
    judgeAgain();
  }
}

function ask(text) {
  if (summary === null) {
    waiting = text;
    showAnswer({ tone: "open", lines: ["The files are read first…"], conviction: "" });
    if (source === null) startThis();
    return;
  }
  waiting = null;
  worker.postMessage({ task: "ask", text });
}

async function askNodes() {
  const asked = summary;
  showWork("Asking the nodes…");
  const found = await checkPlace(element("nodes").value, asked.place);
  if (asked !== summary) return; // other files are being checked by now
  place = found;
  judgeAgain();
  element("verdict").scrollIntoView({ block: "center" });
}

/** Holds the beacon that the visitor trusts against the one that the draw promises. */
function nameSource() {
  named = checkNamed(element("beacon").value, summary.promisedBeacon);
  element("beacon-answer").textContent = named.unread ? `This is no source of randomness: ${named.unread}.` : "";
  judgeAgain();
  if (!named.unread) element("verdict").scrollIntoView({ block: "center" });
}

function startOwn() {
  const [bundle, entries, log] = ["own-bundle", "own-entries", "own-log"].map((id) => element(id).files[0] ?? null);
  if (bundle && entries) start({ bundle, entries, log, rows: 0, own: true });
  else showVerdict({ tone: "open", headline: "Please choose the files", lines: ["A result (bundle.json) and its entries (entries.csv), and the log (log.csv) if you have it."] });
  section.scrollIntoView();
}

function startThis() {
  const { bundle, entries, log, rows } = section.dataset;
  start({ bundle, entries, log, rows: Number(rows), own: false });
}

async function readSource({ target }) {
  const [file] = target.files;
  if (!file) return;
  // Whatever is beyond that is no beacon, and refused as too long.
  element("beacon").value = await file.slice(0, RECEIPT_FILE_MAX).text();
  nameSource();
}

async function askFile({ target }) {
  const [file] = target.files;
  if (!file) return;
  if (file.size > RECEIPT_FILE_MAX) {
    showAnswer({ tone: "warn", lines: ["This file is too large to be a receipt."], conviction: "" });
    return;
  }
  element("receipt").value = await file.text();
  ask(element("receipt").value);
}

function listen(id, event, action) {
  element(id)?.addEventListener(event, (happened) => {
    happened.preventDefault();
    action(happened);
  });
}

/** Times that the server wrote in UTC, in the visitor's own zone; theirs stay in the tooltip. */
function localiseTimes() {
  for (const time of document.querySelectorAll("main time[datetime]")) {
    time.title = time.textContent;
    time.textContent = localTime(Date.parse(time.dateTime) / 1000);
  }
}

listen("again", "click", startThis);
listen("own", "submit", startOwn);
listen("mine", "submit", () => ask(element("receipt").value));
listen("receipt-file", "change", askFile);
listen("ask-nodes", "submit", askNodes);
listen("name-source", "submit", nameSource);
listen("beacon-file", "change", readSource);
localiseTimes();
for (const hidden of document.querySelectorAll("[data-needs-scripts]")) hidden.hidden = false;
if (section.dataset.start === "now") startThis();
