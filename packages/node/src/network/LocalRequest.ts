/**
 * What a request tells of where it comes from, for servers on this machine that every page in a browser can reach: the name
 * it was sent to, the page it was sent by, the proxies it came through, and whether it can be read in one way only.
 *
 * @since 0.1.0
 */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"

/**
 * The values of a field, each as it came. Node keeps the first of several; another parser might not. `name` is in lower
 * case, `headers` are names and values in turns.
 *
 * @since 0.1.0
 * @category getters
 */
export const named = (headers: ReadonlyArray<string>, name: string): ReadonlyArray<string> => {
  const values: Array<string> = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (headers[at]!.toLowerCase() === name) values.push(headers[at + 1]!)
  }
  return values
}

/** A name without port, in lower case, and the port; a port that is left out is that of http. */
const splitHost = (host: string): readonly [name: string, port: string] | undefined => {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/.exec(host.toLowerCase())
  return match === null ? undefined : [match[1]!, match[2] ?? "80"]
}

const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]

/**
 * Whether the value of `Host` names a port of this machine: by a name of loopback with that port, or by one of `others`, in
 * lower case, with any. Every other name is one that was made to lead here (DNS rebinding).
 *
 * @since 0.1.0
 * @category predicates
 */
export const isLoopback = (host: string, port: number | undefined, others?: ReadonlySet<string>): boolean => {
  const split = splitHost(host)
  if (split === undefined) return false
  const [name, named] = split
  return others?.has(name) === true || LOOPBACK.includes(name) && named === String(port)
}

/**
 * Whether a web page sends it that does not belong to the server. Some of what a page sends across sites has no `Origin`:
 * images, links, plain navigation. A browser that says so itself is believed.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFromPage = (headers: IncomingHttpHeaders): boolean =>
  headers.origin !== undefined || isAcrossSites(headers)

/**
 * Whether a browser says that another site's page is behind it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAcrossSites = (headers: IncomingHttpHeaders): boolean => {
  const site = headers["sec-fetch-site"]
  return site !== undefined && /(?:cross|same)-site/i.test(String(site))
}

const PASSED_ON = new Set([
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
  "x-original-url",
  "x-rewrite-url"
])

/**
 * Whether a proxy says that it passes the request on for another program.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPassedOn = (headers: ReadonlyArray<string>): boolean =>
  headers.some((name, at) => at % 2 === 0 && PASSED_ON.has(name.toLowerCase().replaceAll("_", "-")))

/**
 * Whether the end of the body is said in one way. Node's parser refuses what is said in two; where the Transfer-Encoding is
 * one that it does not know, it finds out only where the body begins, after the request is handed out.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFramedOnce = ({ headers }: Pick<IncomingMessage, "headers">): boolean =>
  headers["transfer-encoding"] === undefined || /^chunked$/i.test(headers["transfer-encoding"])
