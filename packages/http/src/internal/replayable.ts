/** Bodies that say the same when they are sent again. By their tags, since undici has a `FormData` of its own. */
const REPEATABLE = new Set(["ArrayBuffer", "SharedArrayBuffer", "Blob", "File", "FormData", "URLSearchParams"])

export const isReplayable = (body: unknown): boolean =>
  body === null || body === undefined || typeof body === "string" || ArrayBuffer.isView(body) ||
  REPEATABLE.has(Object.prototype.toString.call(body).slice(8, -1))

/**
 * For a body that is none of these. With credentials, the Fetch standard would ask a person for a password after a 401
 * and send the body again; where it cannot, the `fetch` of Node 24.14 rejects and never tells the 401.
 */
export const WITHOUT_COOKIES: RequestInit = { credentials: "omit" }
