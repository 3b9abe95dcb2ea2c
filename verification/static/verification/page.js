// The page of one draw: starts the worker, shows each check as it comes, and asks it about tickets.

import { CHECKS } from "./explanations.js";

const element = (id) => document.getElementById(id);
const count = new Intl.NumberFormat("en");
const section = element("check");
const committed = { raffle: section.dataset.raffle, root: section.dataset.root, tickets: section.dataset.tickets };

let worker = null;
let expectedRows = 0;
let own = false; // files of the visitor's own are being checked, not this page's draw
let report = null;

/** A worker of its own for each verification: starting another ends what is under way. */
function restart() {
  worker?.terminate();
  worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => SHOW[data.kind](data);
  worker.onerror = () => verdict(false, "The check could not run in this browser.", ["Please try another browser."]);
  report = null;
}

const SHOW = {
  check: ({ check }) => showCheck(check),
  progress: ({ rows }) => showProgress(rows),
  report: (data) => showReport(data.report),
  answer: ({ answer }) => showAnswer(answer),
};

function start(bundle, entries, rows) {
  restart();
  own = bundle instanceof Blob;
  expectedRows = rows;
  element("checks").replaceChildren();
  element("details").hidden = false;
  element("notes").replaceChildren();
  element("verdict").replaceChildren();
  element("verdict").className = "";
  element("progress").hidden = false;
  element("bar").removeAttribute("value");
  element("progress-text").textContent = "Reading the result…";
  for (const row of document.querySelectorAll("[data-pick-check]")) row.textContent = "";
  worker.postMessage({ task: "verify", bundle, entries });
}

function showProgress(rows) {
  if (expectedRows) {
    element("bar").max = expectedRows;
    element("bar").value = Math.min(rows, expectedRows);
  }
  const whole = expectedRows ? ` of ${count.format(expectedRows)}` : "";
  element("progress-text").textContent = `Reading the entries: ${count.format(rows)}${whole}`;
}

function showCheck({ number, name, ok, detail }) {
  const [title, broken] = CHECKS[name];
  const line = made("li", "", ok ? "passed" : "failed");
  line.dataset.check = name;
  line.append(made("span", ok ? "✓ passed" : "✗ failed", "mark"), made("span", title, "what"));
  if (!ok) line.append(made("span", broken, "broken"));
  line.append(made("span", `${name}: ${detail}`, "detail"));
  element("checks").append(line);
  if (name !== "entries file")
    element("progress-text").textContent = `${number} of ${Object.keys(CHECKS).length} checks done`;
}

function showReport(found) {
  report = found;
  element("progress").hidden = true;
  const failed = found.checks.filter((check) => !check.ok);
  const what = found.title === undefined ? "This result" : `Draw ${found.sequence}, “${found.title}”`;
  if (found.verified) {
    verdict(true, `Verified: all ${found.checks.length} checks hold`, [
      `${what}: recomputed on your device, from public facts alone.`,
    ]);
  } else {
    const failures = failed.length === 1 ? "1 check" : `${failed.length} checks`;
    verdict(false, `Not verified: ${failures} failed`, [`${what}, as these files have it.`, ...meanings(failed)]);
  }
  element("notes").replaceChildren(...found.notes.map((note) => made("li", note)));
  if (own) return;
  if (found.raffle && found.raffle !== committed.raffle)
    element("notes").append(made("li", "This result is of another raffle."));
  for (const row of document.querySelectorAll("[data-pick-check]")) markPick(row, found);
  element("again").textContent = "Check again";
}

/** What the first of the failures mean. */
function meanings(failed) {
  const first = failed.slice(0, 3).map((check) => CHECKS[check.name][1]);
  return failed.length > first.length ? [...first, "More is explained below."] : first;
}

/** Says beside a pick that the server showed whether the verified result has it too. */
function markPick(row, { picks, verified }) {
  const same = picks?.some(
    (pick) => `${pick.position}` === row.dataset.position && `${pick.ticket}` === row.dataset.ticket,
  );
  row.classList.toggle("differs", !same);
  if (verified && same) row.textContent = "✓ recomputed on your device";
  else if (picks && !same) row.textContent = "✗ the result file names another ticket";
}

function verdict(good, headline, lines) {
  element("progress").hidden = true;
  element("verdict").className = good ? "good" : "bad";
  const mark = made("span", good ? "✓ " : "✗ ");
  mark.setAttribute("aria-hidden", "true");
  const head = made("p", "", "headline");
  head.append(mark, headline);
  element("verdict").replaceChildren(head, ...lines.map((line) => made("p", line)));
}

function showAnswer({ holds, lines }) {
  const answer = element("answer");
  answer.className = holds ? "good" : "bad";
  answer.replaceChildren(...lines.map((line) => made("p", line)));
}

/** An element with this text; never markup. */
function made(tag, text = "", className = "") {
  const found = document.createElement(tag);
  found.textContent = text;
  found.className = className;
  return found;
}

function ask(text) {
  if (!worker) restart();
  if (/^\s*[{[]/.test(text)) worker.postMessage({ task: "proof", text, facts: facts() });
  else if (report?.searchable) worker.postMessage({ task: "ticket", text });
  else showAnswer({ holds: false, lines: ["To look up a ticket number, let the check above read the entries first."] });
}

/** What proofs are held against: what was just verified, else what the page says. */
function facts() {
  const published = own ? [] : [section.dataset.published];
  if (report?.verified) return { ...report, recomputed: true, published };
  return { ...committed, tickets: BigInt(committed.tickets), picks: null, recomputed: false, published };
}

function startOwn() {
  const [bundle, entries] = [element("own-bundle").files[0], element("own-entries").files[0]];
  if (bundle && entries) start(bundle, entries, 0);
  else verdict(false, "Please choose both files", ["A result file (bundle.json) and its entries file (entries.csv)."]);
  section.scrollIntoView();
}

function startThis() {
  start(section.dataset.bundle, section.dataset.entries, Number(section.dataset.rows));
}

function listen(id, event, action) {
  element(id)?.addEventListener(event, (happened) => {
    happened.preventDefault();
    action(happened);
  });
}

listen("again", "click", startThis);
listen("own", "submit", startOwn);
listen("mine", "submit", () => ask(element("proof").value));
listen("proof-file", "change", async ({ target }) => {
  if (!target.files[0]) return;
  element("proof").value = await target.files[0].text();
  ask(element("proof").value);
});
for (const hidden of document.querySelectorAll("[data-needs-scripts]")) hidden.hidden = false;
if (section.dataset.start === "now") startThis();
