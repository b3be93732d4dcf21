/** Where a redirect leads and what is sent there, by the rules of the Fetch standard (HTTP-redirect fetch). */
import type { Target } from "../BearerOptions.js"

const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** Headers that describe a body, and are of no use without one. */
export const BODY_HEADERS = [
  "content-encoding",
  "content-language",
  "content-location",
  "content-type",
  "content-length"
]

/** Headers that are meant for one origin. */
export const ORIGIN_HEADERS = ["authorization", "proxy-authorization", "cookie", "host"]

export interface Redirect extends Target {
  readonly dropsBody: boolean
  readonly crossesOrigin: boolean
}

/**
 * The next request, and none where the answer is for the caller: no redirect, an address that leads nowhere, a body that
 * cannot be sent again, or one that would go to another origin.
 */
export const next = (
  from: Target,
  answer: { readonly status: number; readonly location: string | null | undefined },
  body: { readonly isEmpty: boolean; readonly isReplayable: boolean }
): Redirect | undefined => {
  if (!REDIRECTS.has(answer.status) || typeof answer.location !== "string") return undefined
  if (!URL.canParse(answer.location, from.url)) return undefined
  const url = new URL(answer.location, from.url)
  if ((url.protocol !== "https:" && url.protocol !== "http:") || url.username !== "" || url.password !== "") {
    return undefined
  }
  if (url.hash === "") url.hash = from.url.hash
  const crossesOrigin = url.origin !== from.url.origin
  const becomesGet = ((answer.status === 301 || answer.status === 302) && from.method === "POST") ||
    (answer.status === 303 && from.method !== "GET" && from.method !== "HEAD")
  if (becomesGet) return { method: "GET", url, dropsBody: true, crossesOrigin }
  if (!body.isEmpty && (crossesOrigin || !body.isReplayable)) return undefined
  return { method: from.method, url, dropsBody: false, crossesOrigin }
}
