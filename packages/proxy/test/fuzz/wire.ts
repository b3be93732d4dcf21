/**
 * Bytes on the wire that no client and no server should send, made from a seed: the same seed and number make the same
 * bytes on every machine, but for what stands for the secret and the address, which differ from run to run.
 */
import type { Random } from "@lockstep/testkit/homes/Mutations"

/** Stands for the secret until the bytes are sent: a mutation treats it as one character. */
export const SECRET = "\u0100"
/** Stands for the address. */
export const HOST = "\u0101"

const below = (next: Random, limit: number): number => Math.floor(next() * limit)
const pick = <A>(next: Random, from: ReadonlyArray<A>): A => from[below(next, from.length)]!
const some = <A>(next: Random, from: ReadonlyArray<A>, most: number): ReadonlyArray<A> =>
  Array.from({ length: below(next, most + 1) }, () => pick(next, from))
const often = (next: Random, share: number): boolean => next() < share

const METHODS = [
  "GET",
  "POST",
  "PUT",
  "DELETE",
  "HEAD",
  "OPTIONS",
  "PATCH",
  "TRACE",
  "CONNECT",
  "get",
  "PROPFIND",
  "G T"
]

const PATH_PARTS = [
  "a",
  "/",
  "//",
  ".",
  "..",
  "...",
  "%2e",
  "%2E%2e",
  "%252e",
  "%2f",
  "%5c",
  "\\",
  ";",
  "..;a",
  "%3b",
  "%00",
  "%09",
  "%20",
  "%c0%ae",
  "%e0%80%ae",
  "%u002e",
  "%uff0e",
  "%ef%bc%8e",
  "%",
  "%2",
  "\u00e9",
  "?",
  "?x=../..",
  "#",
  "@evil.example",
  ":80"
]

const REQUEST_FIELDS = [
  "Origin: https://evil.example",
  "Origin: null",
  "Sec-Fetch-Site: cross-site",
  "Host: evil.example",
  `Host: ${HOST}`,
  "Cookie: a=b",
  "Referer: https://x.example/y",
  "Authorization: Bearer of-the-client",
  "Proxy-Authorization: Basic eDp5",
  "X-Forwarded-Host: evil.example",
  "X_Forwarded_Host: evil.example",
  "Forwarded: host=evil.example",
  "X-Original-URL: /admin",
  "X-Rewrite-URL: /admin",
  "Upgrade: websocket",
  "Upgrade: h2c",
  "Connection: Upgrade",
  "Connection: keep-alive, Authorization",
  "Connection: Via, Host",
  "Connection: content-length",
  "Content-Length: 3",
  "Content-Length: 0",
  "Content-Length: 99999",
  "Content_Length: 3",
  "Content-Length: -1",
  "Content-Length: 3, 3",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: identity",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding:\tchunked",
  "Transfer_Encoding: chunked",
  "TE: trailers",
  "Trailer: X-T",
  "Expect: 100-continue",
  "Expect: 200-ok",
  "X-Long: " + "y".repeat(3_000),
  " folded",
  "\tfolded",
  "No-Colon",
  ": no name",
  "X: \u00e9\u00ff",
  "X: a\u0000b",
  "Via: 1.1 lockstep"
]

const BODIES = [
  "",
  "abc",
  "3\r\nabc\r\n0\r\n\r\n",
  "3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
  "fffffffff\r\nabc",
  "-1\r\n",
  "0\r\n\r\n",
  `0\r\n\r\nGET /api/smuggled HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  `GET /${SECRET}/second HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  "x".repeat(5_000)
]

const FRAGMENTS = [
  "\r",
  "\n",
  "\r\n",
  "\r\n\r\n",
  "\0",
  " ",
  "\t",
  ":",
  "/",
  "%",
  "\u00ff",
  "\u0080",
  "\u000b",
  "0",
  ","
]

/** Bytes put in, taken out, repeated, or cut off. */
const damage = (next: Random, text: string): string => {
  const at = below(next, text.length + 1)
  switch (below(next, 5)) {
    case 0:
      return text.slice(0, at) + pick(next, FRAGMENTS) + text.slice(at)
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + below(next, 4))
    case 2:
      return text.slice(0, at) + text.slice(Math.max(0, at - below(next, 40)))
    case 3:
      return text.slice(0, at)
    default:
      return text.slice(0, at) + String.fromCharCode(below(next, 256)) + text.slice(at + 1)
  }
}

const damaged = (next: Random, text: string): string => {
  let bytes = text
  for (let times = often(next, 0.5) ? 1 + below(next, 3) : 0; times > 0; times--) bytes = damage(next, bytes)
  return bytes
}

/** Requests that pass, so that there are answers. */
const PLAIN = [
  `GET /${SECRET}/a HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  `HEAD /${SECRET}/a?b HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  `GET /${SECRET}/a HTTP/1.0\r\nHost: ${HOST}\r\n\r\n`,
  `POST /${SECRET}/a HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 3\r\n\r\nabc`,
  `POST /${SECRET}/a HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`
]

/** A request, or something like one. */
export const request = (next: Random): string => {
  if (often(next, 0.4)) return pick(next, PLAIN)
  const start = often(next, 0.85)
    ? `/${SECRET}/`
    : pick(next, ["/", "/x/", `/x/${SECRET}/`, `//${SECRET}/`, `/${SECRET}x/`])
  const path = start + some(next, PATH_PARTS, 5).join("")
  const target = often(next, 0.95) ? path : pick(next, [`http://evil.example${path}`, "*", `${HOST}`, path.slice(1)])
  const version = often(next, 0.9) ? "HTTP/1.1" : pick(next, ["HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "http/1.1", ""])
  const fields = [
    ...(often(next, 0.9) ? [`Host: ${HOST}`] : []),
    ...(often(next, 0.5) ? ["Connection: close"] : []),
    ...some(next, REQUEST_FIELDS, 4),
    ...(often(next, 0.03) ? Array.from({ length: 1_050 }, () => "A: b") : [])
  ]
  if (often(next, 0.3)) fields.reverse()
  const end = often(next, 0.9) ? "\r\n" : "\n"
  const head = [`${pick(next, METHODS)} ${target} ${version}`, ...fields, "", ""].join(end)
  return damaged(next, head + pick(next, BODIES))
}

const STATUS_LINES = [
  "HTTP/1.1 200 OK",
  "HTTP/1.1 200 OK",
  "HTTP/1.1 200 \u00e2\u009c\u0093",
  "HTTP/1.1 200 a\u0001b",
  "HTTP/1.1 200",
  "HTTP/1.0 200 OK",
  "HTTP/1.1 099 Low",
  "HTTP/1.1 000 Zero",
  "HTTP/1.1 999 High",
  "HTTP/1.1 101 Switching Protocols",
  "HTTP/1.1 100 Continue",
  "HTTP/1.1 204 No Content",
  "HTTP/1.1 205 Reset",
  "HTTP/1.1 304 Not Modified",
  "HTTP/1.1 307 Elsewhere",
  "HTTP/1.1 401 Unauthorized",
  "HTTP/1.1 403 Forbidden",
  "HTTP/1.1 500 Oops",
  "HTTP/2 200 OK",
  "ICY 200 OK",
  "<html>"
]

const ANSWER_FIELDS = [
  "Set-Cookie: a=b",
  "Location: /api/next",
  "Location: https://evil.example/x",
  "Location: //evil.example",
  "Location: /api/../x",
  "Location: http://[",
  "Location: javascript:alert(1)",
  "WWW-Authenticate: Bearer error=\"invalid_token\"",
  "WWW-Authenticate: B\u00e9arer \u00ff",
  "Access-Control-Allow-Origin: *",
  "Clear-Site-Data: \"*\"",
  "Connection: close",
  "Connection: X-Gone",
  "X-Gone: 1",
  "Trailer: X-T",
  "Upgrade: websocket",
  "Keep-Alive: timeout=1",
  "Content-Encoding: gzip",
  "Content-Length: 5",
  "Transfer-Encoding: chunked",
  "X: \u00e9",
  "X: a\u0000b",
  " folded"
]

const FRAMED = [
  ["Content-Length: 5", "hello"],
  ["Content-Length: 5", "hell"],
  ["Content-Length: 5", "hello, and more"],
  ["Content-Length: 0", ""],
  ["Content-Length: 5, 5", "hello"],
  ["Content-Length: x", "hello"],
  ["Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"],
  ["Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nX-T: 1\r\nSet-Cookie: a=b\r\n\r\n"],
  ["Transfer-Encoding: chunked", "5\r\nhel"],
  ["Transfer-Encoding: chunked", "zz\r\nhello"],
  ["Transfer-Encoding: gzip", "hello"],
  ["X-Framed: not", "hello"]
] as const

const INFORMATION = [
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/1.1 102 Processing\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: nonsense\r\n\r\n",
  "HTTP/1.1 199 \u00ff\r\n\r\n"
]

export interface Answer {
  readonly bytes: string
  /** Where the bytes are cut into pieces that are sent one after the other. */
  readonly cut: number
  readonly end: "end" | "reset" | "keep"
}

/** An answer, or something like one. */
export const answer = (next: Random): Answer => {
  const [framing, body] = pick(next, FRAMED)
  const fields = [
    framing,
    ...some(next, ANSWER_FIELDS, 3),
    ...(often(next, 0.02) ? Array.from({ length: 1_050 }, () => "A: b") : [])
  ]
  const head = [pick(next, STATUS_LINES), ...fields, "", ""].join("\r\n")
  const before = often(next, 0.15) ? some(next, INFORMATION, 12).join("") : ""
  const bytes = damaged(next, before + head + body)
  return { bytes, cut: below(next, bytes.length + 1), end: pick(next, ["end", "end", "reset", "keep"] as const) }
}
