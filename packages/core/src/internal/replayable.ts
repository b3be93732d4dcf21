/** Bodies that say the same when they are sent again. By their tags, since undici has a `FormData` of its own. */
const REPEATABLE = new Set(["ArrayBuffer", "SharedArrayBuffer", "Blob", "File", "FormData", "URLSearchParams"])

export const isReplayable = (body: unknown): boolean =>
  body === null || body === undefined || typeof body === "string" || ArrayBuffer.isView(body) ||
  REPEATABLE.has(Object.prototype.toString.call(body).slice(8, -1))
