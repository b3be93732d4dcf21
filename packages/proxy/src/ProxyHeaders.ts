/**
 * Header fields on their way through the proxy. Names, values, order and repetitions are kept; what is left out:
 *
 * - what is for one connection only (RFC 9110 §7.6.1), what `Connection` names included;
 * - towards the upstream: the client's own credentials, cookies (those of 127.0.0.1 are shared by every port of this
 *   machine), where a page came from (`Referer` may hold the secret), and what the client says about proxies;
 * - towards the client: what would act on 127.0.0.1 as if it were the upstream's host (cookies, `Clear-Site-Data`,
 *   transport security, alternative services), the upstream's word about other origins, and challenges, which are the
 *   proxy's to answer and are passed on under a name that no client acts on.
 *
 * @since 0.1.0
 */
import * as LocalRequest from "@lockstep/node/network/LocalRequest"

/**
 * Names and values in turns.
 *
 * @since 0.1.0
 * @category models
 */
export type RawHeaders = ReadonlyArray<string>

const CONNECTION = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
  "proxy-authorization",
  "proxy-authenticate",
  "proxy-authentication-info"
]

const TO_UPSTREAM = new Set([
  ...CONNECTION,
  "host",
  "x-host",
  "x-original-host",
  "x-http-host-override",
  "authorization",
  "cookie",
  "cookie2",
  "origin",
  "referer",
  "expect",
  "trailer",
  "http2-settings",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-forwarded-prefix",
  "x-forwarded-server",
  "x-real-ip",
  "access-control-request-method",
  "access-control-request-headers",
  "access-control-request-private-network"
])

const TO_CLIENT = new Set([
  ...CONNECTION,
  "set-cookie",
  "set-cookie2",
  "clear-site-data",
  "strict-transport-security",
  "public-key-pins",
  "alt-svc",
  "authentication-info"
])

const CHALLENGE = "www-authenticate"

/** What a trailer must not bring (RFC 9110 §6.5.1), beside what no answer may bring. */
const NO_TRAILER = new Set([
  ...TO_CLIENT,
  CHALLENGE,
  "content-length",
  "content-encoding",
  "content-type",
  "content-range",
  "host",
  "location",
  "trailer"
])

/**
 * Names by which servers behind a server are told of another path than that of the request. None of them has a meaning
 * here, and leaving them out would hide from the client that it does not get what it asks for: they are refused.
 */
const PATHS = new Set([
  "x-original-url",
  "x-original-uri",
  "x-original-path",
  "x-rewrite-url",
  "x-rewrite-uri",
  "x-rewrite-path",
  "x-override-url",
  "x-forwarded-url",
  "x-forwarded-uri",
  "x-forwarded-path",
  "x-envoy-original-path"
])

/** CGI and what came after it read `_` and `-` as one. */
const canonical = (name: string): string => {
  const lower = name.toLowerCase()
  return lower.includes("_") ? lower.replaceAll("_", "-") : lower
}

/**
 * Whether a field names another path than the request does.
 *
 * @since 0.1.0
 * @category predicates
 */
export const namesPath = (headers: RawHeaders): boolean =>
  headers.some((name, at) => at % 2 === 0 && /^x/i.test(name) && PATHS.has(canonical(name)))

/** Says nothing about other fields. */
const IDLE_OPTION = /^(?:keep-alive|close)$/i

const NO_OPTIONS: ReadonlySet<string> = new Set()

const connectionOptions = (headers: RawHeaders): ReadonlySet<string> => {
  let options: Set<string> | undefined
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (headers[at]!.length !== 10 || headers[at]!.toLowerCase() !== "connection") continue
    if (IDLE_OPTION.test(headers[at + 1]!)) continue
    options ??= new Set()
    for (const one of headers[at + 1]!.split(",")) options.add(one.trim().toLowerCase())
  }
  return options ?? NO_OPTIONS
}

/** Keeps what `rename` gives a name. */
const map = (
  headers: RawHeaders,
  rename: (lower: string, name: string) => string | undefined,
  value: (lower: string, value: string) => string = (_, value) => value
): Array<string> => {
  const kept: Array<string> = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const lower = headers[at]!.toLowerCase()
    const name = rename(lower, headers[at]!)
    if (name !== undefined) kept.push(name, value(lower, headers[at + 1]!))
  }
  return kept
}

/** Methods whose request has no body unless it says so (RFC 9110 §8.6). */
const BODILESS = new Set(["GET", "HEAD", "DELETE", "OPTIONS"])

/**
 * What the upstream is sent, with the token, and with the one word about the body that the client's own fields do not say
 * (RFC 9112 §6): in chunks, or how long it is.
 *
 * @since 0.1.0
 * @category getters
 */
export const toUpstream = (headers: RawHeaders, options: {
  readonly host: string
  readonly method: string
  readonly authorization: string
  /** Bytes of the body, where they are known. */
  readonly body: number | "streamed" | undefined
}): Array<string> => {
  const { body } = options
  const dropped = connectionOptions(headers)
  const kept = ["Host", options.host]
  let isFramed = false
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at]!
    const known = canonical(name)
    if (TO_UPSTREAM.has(known) || dropped.has(name.toLowerCase())) continue
    if (known === "content-length") {
      // A server that reads `_` as `-` would read the second one.
      if (name.includes("_")) continue
      isFramed = true
    }
    kept.push(name, headers[at + 1]!)
  }
  kept.push("Authorization", options.authorization, "Via", "1.1 lockstep")
  if (!isFramed) {
    if (body === "streamed") kept.push("Transfer-Encoding", "chunked")
    else if (body !== undefined || !BODILESS.has(options.method)) kept.push("Content-Length", String(body ?? 0))
  }
  return kept
}

/**
 * What the client is sent.
 *
 * @since 0.1.0
 * @category getters
 */
export const toClient = (headers: RawHeaders, options: {
  readonly location: (location: string) => string
  /** The web page that asks, which is allowed to. */
  readonly origin: string | undefined
  /** Whether the answer can have a body. */
  readonly bodiless: boolean
}): Array<string> => {
  const dropped = connectionOptions(headers)
  const kept = map(
    headers,
    (lower, name) =>
      TO_CLIENT.has(lower) || dropped.has(lower) || lower.startsWith("access-control-") ||
        (options.bodiless && lower === "content-length")
        ? undefined
        : lower === CHALLENGE
        ? "Lockstep-WWW-Authenticate"
        : name,
    (lower, value) => lower === "location" ? options.location(value) : value
  )
  if (options.origin !== undefined) kept.push(...cors(options.origin))
  return kept
}

/**
 * What lets a page read an answer.
 *
 * @since 0.1.0
 * @category getters
 */
export const cors = (origin: string): ReadonlyArray<string> => [
  "Access-Control-Allow-Origin",
  origin,
  "Access-Control-Expose-Headers",
  "*",
  "Vary",
  "Origin"
]

/**
 * What answers a preflight of a page that is allowed.
 *
 * @since 0.1.0
 * @category getters
 */
export const preflight = (headers: RawHeaders, origin: string): ReadonlyArray<string> => {
  const [method] = LocalRequest.named(headers, "access-control-request-method")
  const asked = LocalRequest.named(headers, "access-control-request-headers").join(", ")
  return [
    "Access-Control-Allow-Origin",
    origin,
    "Access-Control-Allow-Methods",
    method ?? "GET",
    ...(asked === "" ? [] : ["Access-Control-Allow-Headers", asked]),
    ...(LocalRequest.named(headers, "access-control-request-private-network").includes("true")
      ? ["Access-Control-Allow-Private-Network", "true"]
      : []),
    "Access-Control-Max-Age",
    "600",
    "Vary",
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
  ]
}

/**
 * What follows a body.
 *
 * @since 0.1.0
 * @category getters
 */
export const trailers = (headers: RawHeaders): Array<[string, string]> => {
  const kept = map(headers, (lower, name) => NO_TRAILER.has(lower) ? undefined : name)
  return Array.from({ length: kept.length / 2 }, (_, index) => [kept[2 * index]!, kept[2 * index + 1]!])
}

/**
 * The challenge of an answer.
 *
 * @since 0.1.0
 * @category getters
 */
export const challenge = (headers: RawHeaders): string | undefined => {
  const values = LocalRequest.named(headers, CHALLENGE)
  return values.length === 0 ? undefined : values.join(", ")
}
