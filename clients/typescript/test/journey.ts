/** A buyer's journey through a live server, with the client alone. What a mail or the operator would bring, it asks for. */

import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { createClient, idempotencyKey, isProblem, ProblemError, type Tokens, unwrap } from "../dist/index.js";

const baseUrl = process.env["API"] as string;
const stripe = process.env["STRIPE"] as string;
const email = `ada-${Date.now()}@example.com`;
const password = "orchid-lantern-77";
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Ask the test for what the person finds in their mailbox, or has the operator do. */
async function given(what: string): Promise<string> {
  process.stdout.write(`ASK ${what} ${email}\n`);
  return ((await lines.next()).value as string).trim();
}

/** What Stripe.js does with a secret and a card. */
async function pay(secret: string | null, card: string, publishableKey: string): Promise<boolean> {
  const device = async (path: string, fields: Record<string, string>) => {
    const headers = { Authorization: `Bearer ${publishableKey}` };
    const answer = await fetch(stripe + path, { method: "POST", headers, body: new URLSearchParams(fields) });
    return { ok: answer.ok, body: (await answer.json()) as { id: string; status: string } };
  };
  assert(secret);
  const details = { "card[number]": card, "card[exp_month]": "12", "card[exp_year]": "2034", "card[cvc]": "123" };
  const method = await device("/v1/payment_methods", { type: "card", ...details });
  const intent = `/v1/payment_intents/${secret.split("_secret_")[0]}`;
  const made = await device(`${intent}/confirm`, { payment_method: method.body.id, client_secret: secret });
  return made.ok && made.body.status === "succeeded";
}

let stored: Tokens | null = null;
let renewed = 0;
const api = createClient({
  baseUrl,
  onTokens: (tokens) => {
    stored = tokens;
    renewed += 1;
  },
});

// Register, verify, sign in.
const facts = { email, password, display_name: "Ada", date_of_birth: "1990-05-17", country: "GB" };
await unwrap(api.POST("/api/v1/auth/register", { body: facts }));
const early = await api.POST("/api/v1/auth/login", { body: { email, password: "not-hers-at-all", mode: "bearer" } });
assert(isProblem(early.error, "wrong_credentials"));
await unwrap(api.POST("/api/v1/auth/verify", { body: { token: await given("token"), password } }));
await unwrap(api.POST("/api/v1/auth/login", { body: { email, password, mode: "bearer" } }));
assert(stored);

// Browse.
const shop = await unwrap(api.GET("/api/v1/shop"));
const found = await unwrap(api.GET("/api/v1/raffles/list", { params: { query: { search: "daytona rolex" } } }));
const raffle = found.results[0];
assert(raffle && raffle.phase === "open" && raffle.waiting_for === "end_of_sale");
const whole = await unwrap(api.GET("/api/v1/raffles/{id}", { params: { path: { id: raffle.slug } } }));
assert.equal(whole.id, raffle.id);
const misspelt = await api.GET("/api/v1/raffles/list", { params: { query: { serach: "x" } as never } });
assert(isProblem(misspelt.error, "invalid") && misspelt.error.errors[0]?.field === "serach");

// Buy: a declined card, then a good one, under one key.
const hold = (quantity: number, key = idempotencyKey(), client = api) =>
  client.POST("/api/v1/purchases/create", {
    params: { header: { "Idempotency-Key": key } },
    body: { raffle: raffle.slug, quantity },
  });
const key = idempotencyKey();
const purchase = await unwrap(hold(2, key));
assert.equal((await unwrap(hold(2, key))).id, purchase.id);
assert(!(await pay(purchase.client_secret, "4000000000000002", shop.stripe_publishable_key)));
assert(await pay(purchase.client_secret, "4242424242424242", shop.stripe_publishable_key));
const paid = await unwrap(api.POST("/api/v1/purchases/verify", { body: { purchase: purchase.id } }));
assert(paid.status === "paid" && paid.tickets?.count === 2 && paid.receipt);
await assert.rejects(unwrap(hold(999)), (error) => {
  assert(error instanceof ProblemError && isProblem(error.problem, "limit_reached"));
  return error.problem.taken === 2;
});

// Let a hold go.
const other = await unwrap(hold(1));
const path = { params: { path: { id: other.id } } };
assert.equal((await unwrap(api.POST("/api/v1/purchases/{id}/cancel", path))).status, "expired");

// A token that is over is refreshed once, also for requests at the same time.
api.setTokens({ access: "over", refresh: (stored as Tokens).refresh });
const before = renewed;
await Promise.all([1, 2, 3].map(() => unwrap(api.GET("/api/v1/users/profile"))));
assert.equal(renewed, before + 1);

// The same in a browser, whose cookies JavaScript cannot read.
const jar = new Map<string, string>();
const browser = createClient({
  baseUrl,
  mode: "cookie",
  fetch: async (request) => {
    const headers = new Headers(request.headers);
    headers.set("Cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
    const answer = await fetch(new Request(request, { headers }));
    for (const cookie of answer.headers.getSetCookie()) {
      const [name = "", value = ""] = (cookie.split(";")[0] ?? "").split("=");
      if (/max-age=0/i.test(cookie)) jar.delete(name);
      else jar.set(name, value);
    }
    return answer;
  },
});
const signedIn = await unwrap(browser.POST("/api/v1/auth/login", { body: { email, password, mode: "cookie" } }));
assert(!("access" in signedIn) && signedIn.user.email === email);
jar.delete("access");
const held = await unwrap(hold(1, idempotencyKey(), browser));
assert.equal(held.status, "pending");
await unwrap(browser.POST("/api/v1/purchases/{id}/cancel", { params: { path: { id: held.id } } }));
await unwrap(browser.POST("/api/v1/auth/logout", { body: {} }));
assert.equal((await browser.GET("/api/v1/users/profile")).response.status, 401);

// The draw, and the proof of one's own entry.
await given("draw");
const mine = await unwrap(api.GET("/api/v1/purchases/list", { params: { query: { outcome: "won" } } }));
assert.deepEqual(mine.results.map((each) => [each.id, each.prizes]), [[purchase.id, ["The watch"]]]);
const place = { path: { raffle: raffle.slug, purchase: purchase.id } };
const proof = await unwrap(api.GET("/api/v1/verification/{raffle}/entries/{purchase}", { params: place }));
assert.equal(proof.entry_id, paid.entry_id);

// Leave: not before the prize is theirs; so only the device is signed out.
const leaving = await api.POST("/api/v1/users/delete", { body: { password } });
assert(isProblem(leaving.error, "deletion_blocked") && leaving.error.obstacles[0]?.code === "prize_unclaimed");
await unwrap(api.POST("/api/v1/auth/logout", { body: { refresh: (stored as Tokens).refresh } }));
assert(!stored);
assert.equal((await api.GET("/api/v1/users/profile")).response.status, 401);
process.stdout.write("DONE\n");
process.exit(0);
