/** A typed client of LuxeWin's API: openapi-fetch with the types of docs/openapi.yaml, sign-in and problem documents. */

import createFetchClient, { type Client as FetchClient, type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";
export type Schemas = components["schemas"];
export type Tokens = Schemas["Tokens"];

type Problems = { [Name in keyof Schemas as Name extends `${string}Problem` ? Name : never]: Schemas[Name] };
/** Every problem document that the API answers with; `code` tells them apart. */
export type Problem = Problems[keyof Problems];
export type ProblemCode = Problem["code"];
export type ProblemOf<Code extends ProblemCode> = Extract<Problem, { code: Code }>;

export interface Options {
  /** Where the API is, without a path: `https://api.example.com`. */
  baseUrl: string;
  /** How sessions are kept: `bearer` (the default) in this client, `cookie` by the browser. */
  mode?: "bearer" | "cookie";
  /** A session to go on with, in bearer mode. */
  tokens?: Tokens;
  /** Called with every new pair of tokens, and with null when the session is over: store them here. */
  onTokens?: (tokens: Tokens | null) => void;
  /** Headers of every request: `X-Forwarded-For` of a server that asks for its visitors. */
  headers?: Record<string, string>;
  fetch?: (request: Request) => Promise<Response>;
}

export interface LuxeWin extends FetchClient<paths> {
  /** Use these tokens from now on, or none. */
  setTokens(tokens: Tokens | null): void;
}

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);
const REFRESH = "/api/v1/auth/refresh";
const OF_SIGN_IN = /\/api\/v1\/auth\/(login|supabase|refresh|logout|csrf)/;

/** Whether it is a problem document, and of this code if one is given. */
export function isProblem<Code extends ProblemCode = ProblemCode>(error: unknown, code?: Code): error is ProblemOf<Code> {
  const has = typeof error === "object" && error !== null && "code" in error && "request_id" in error;
  return has && (code === undefined || error.code === code);
}

/** A key for `Idempotency-Key`: make one for each purchase that a person wants, and keep it when you repeat the request. */
export function idempotencyKey(): string {
  return crypto.randomUUID();
}

/** Make a client. In bearer mode a session's expired token is refreshed once, and the request is sent again. */
export function createClient(options: Options): LuxeWin {
  const inCookies = options.mode === "cookie";
  const send = options.fetch ?? ((request: Request) => fetch(request));
  let tokens = options.tokens ?? null;
  let csrf: string | null = null;
  let refreshing: Promise<boolean> | null = null;

  function setTokens(next: Tokens | null): void {
    tokens = next;
    options.onTokens?.(next);
  }

  function asked(path: string, init: RequestInit): Promise<Response> {
    const headers = { ...options.headers, "Content-Type": "application/json", ...(init.headers as object) };
    return send(new Request(options.baseUrl + path, { ...init, headers, credentials: inCookies ? "include" : "omit" }));
  }

  async function csrfToken(): Promise<string> {
    const answer = await asked("/api/v1/auth/csrf", {});
    return ((await answer.json()) as Schemas["Csrf"]).csrf_token;
  }

  async function refresh(): Promise<boolean> {
    const body = inCookies ? {} : { refresh: tokens?.refresh };
    const headers: Record<string, string> = inCookies ? { "X-CSRFToken": (csrf ??= await csrfToken()) } : {};
    const answer = await asked(REFRESH, { method: "POST", body: JSON.stringify(body), headers });
    if (answer.ok && !inCookies) setTokens((await answer.json()) as Tokens);
    // Anything but a refusal may pass: the session may still be good.
    if (answer.status === 401) setTokens(null);
    return answer.ok;
  }

  async function signed(request: Request): Promise<Request> {
    const headers = new Headers(request.headers);
    if (!inCookies && tokens) headers.set("Authorization", `Bearer ${tokens.access}`);
    if (inCookies && !SAFE.has(request.method)) headers.set("X-CSRFToken", (csrf ??= await csrfToken()));
    return new Request(request, { headers, credentials: inCookies ? "include" : "omit" });
  }

  async function authorized(request: Request): Promise<Response> {
    const again = request.clone();
    const answer = await send(await signed(request));
    const isOfSignIn = OF_SIGN_IN.test(request.url);
    if (isOfSignIn && answer.ok) csrf = null;
    if (isOfSignIn || answer.status !== 401 || !(inCookies || tokens)) return answer;
    const problem: unknown = await answer.clone().json().catch(() => null);
    const isOver = isProblem(problem, "token_not_valid") || (inCookies && isProblem(problem, "not_authenticated"));
    if (!isOver) return answer;
    // Requests at the same time share one refresh.
    refreshing ??= refresh().finally(() => (refreshing = null));
    return (await refreshing) ? send(await signed(again)) : answer;
  }

  const keepTokens: Middleware = {
    async onResponse({ request, response }) {
      if (inCookies || !response.ok) return;
      if (request.url.includes("/api/v1/auth/logout")) setTokens(null);
      if (!/\/api\/v1\/(auth\/(login|supabase|refresh)|users\/password)/.test(request.url)) return;
      const { access, refresh } = (await response.clone().json()) as Tokens;
      setTokens({ access, refresh });
    },
  };
  const client = createFetchClient<paths>({
    baseUrl: options.baseUrl,
    fetch: authorized,
    ...(options.headers ? { headers: options.headers } : {}),
  });
  client.use(keepTokens);
  return Object.assign(client, { setTokens });
}

/** The data of an answer, or its problem document thrown as a ProblemError. */
export async function unwrap<Data, Failure>(answer: Promise<{ data?: Data; error?: Failure; response: Response }>): Promise<Data> {
  const { data, error, response } = await answer;
  if (response.ok) return data as Data;
  throw new ProblemError(error, response.status);
}

/** A refusal, thrown by `unwrap`. */
export class ProblemError extends Error {
  readonly problem: Problem | null;

  constructor(error: unknown, readonly status: number) {
    super(isProblem(error) ? error.detail : `The API answered ${status}.`);
    this.name = "ProblemError";
    this.problem = isProblem(error) ? error : null;
  }
}
