/* Speaking with Python: messages go out and come back; refusals become errors with a sentence. */
import { connection } from "./connection.svelte";
import type { Refusal, Welcome } from "./messages";
import { speech } from "./speech.svelte";

const SIGN_IN = "/api/session";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** A refusal as an error, in Chinese where the reader does and Python does as well. */
export function refused(status: number, body: unknown, otherwise: string): ApiError {
  const said = body as Partial<Refusal>;
  return new ApiError(status, (speech.language === "zh" && said.zh) || said.message || otherwise);
}

/** Ask the studio; that nobody answers, or does not know this browser any more, is remembered. */
export async function reach(address: string, options?: RequestInit): Promise<Response> {
  try {
    const response = await fetch(address, options);
    if (response.status === 401 && address !== SIGN_IN) connection.lock();
    return response;
  } catch (error) {
    connection.lose();
    throw error;
  }
}

async function answered<T>(response: Response): Promise<T> {
  if (response.status === 204) return undefined as T;
  const body: unknown = await response.json().catch(() => ({}));
  if (!response.ok) throw refused(response.status, body, response.statusText);
  return body as T;
}

export async function get<T>(address: string): Promise<T> {
  return answered<T>(await reach(address));
}

export async function post<T>(address: string, message: unknown): Promise<T> {
  const body = JSON.stringify(message);
  return answered<T>(await reach(address, { method: "POST", headers: { "content-type": "application/json" }, body }));
}

export async function upload<T>(address: string, file: Blob): Promise<T> {
  const headers = { "content-type": "application/octet-stream" };
  return answered<T>(await reach(address, { method: "POST", headers, body: file }));
}

export async function remove(address: string): Promise<void> {
  await answered(await reach(address, { method: "DELETE" }));
}

/** Exchange the token of the link for a cookie, and take it out of the address. */
export async function enter(): Promise<Welcome> {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return get<Welcome>("/api/welcome");
  history.replaceState(null, "", "#/network");
  try {
    return await post<Welcome>(SIGN_IN, { token });
  } catch (error) {
    // An old link in a browser that is let in already does no harm.
    if (error instanceof ApiError && error.status === 401) return get<Welcome>("/api/welcome");
    throw error;
  }
}

/** Run one question at a time; of those that come meanwhile, only the latest is asked. */
export function latest<Q, A>(ask: (question: Q) => Promise<A>, use: (answer: A, question: Q) => void, fail: (error: unknown) => void) {
  let busy = false;
  let waiting: { question: Q } | null = null;
  return async function run(question: Q): Promise<void> {
    waiting = { question };
    if (busy) return;
    busy = true;
    while (waiting) {
      const one: { question: Q } = waiting;
      waiting = null;
      try {
        const answer = await ask(one.question);
        use(answer, one.question);
      } catch (error) {
        fail(error);
      }
    }
    busy = false;
  };
}
