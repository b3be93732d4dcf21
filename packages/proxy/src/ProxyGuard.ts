/**
 * Who may pass. Every page in a browser and every user of this machine can send requests to a port of loopback, so a
 * request counts only with the secret in its path, under a name of this machine (another one is a DNS name that was
 * rebound to loopback), and from no web page that was not allowed by name.
 *
 * Without the secret there is nothing to be seen here, not even that this is a proxy.
 *
 * @since 0.1.0
 */
import * as LocalRequest from "@lockstep/node/network/LocalRequest"
import * as Data from "effect/Data"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import type { IncomingMessage } from "node:http"
import * as ProxyHeaders from "./ProxyHeaders.js"
import * as ProxyPath from "./ProxyPath.js"
import { ProxyProblem } from "./ProxyProblem.js"

/**
 * What a request is found to be.
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict = Data.TaggedEnum<{
  /** Is passed on. `path` is what stands behind the secret and its slash, `query` begins with `?` or is empty. */
  Admitted: { readonly path: string; readonly query: string; readonly origin: string | undefined }
  /** A browser asks for a page that is allowed whether it may (CORS). */
  Preflight: { readonly origin: string }
  /** Nothing is here. */
  Unknown: {}
  Refused: { readonly problem: ProxyProblem }
}>

/**
 * Constructors of {@link Verdict}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Verdict = Data.taggedEnum<Verdict>()

/**
 * What a guard goes by.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly secret: Redacted.Redacted
  /** Host names by which this machine is reached besides those of loopback, with any port. */
  readonly hosts: ReadonlyArray<string>
  /** Origins of web pages that may send requests. */
  readonly origins: ReadonlyArray<string>
}

/** Bytes of a secret: 192 bits cannot be guessed. */
const SECRET_BYTES = 24

/**
 * Makes a secret.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeSecret = (): Redacted.Redacted => Redacted.make(Crypto.randomBytes(SECRET_BYTES).toString("base64url"))

const refused = (status: number, kind: string, title: string, detail: string, advice: string): Verdict =>
  Verdict.Refused({ problem: new ProxyProblem({ status, kind, title, detail, advice }) })

const FORM = refused(
  400,
  "bad-request",
  "Not a request to this proxy",
  "the request names another server, or none",
  "send requests to the address that the proxy printed; it is no forward proxy"
)
const HOST = refused(
  421,
  "foreign-host",
  "Not a name of this machine",
  "the Host field is not the address that this proxy listens on",
  "use 127.0.0.1 or localhost, or start the proxy with --allow-host NAME"
)
const ORIGIN = refused(
  403,
  "foreign-origin",
  "Web pages may not use this proxy",
  "the request comes from a web page that is not allowed",
  "start the proxy with --allow-origin ORIGIN"
)
const TRAVERSAL = refused(
  400,
  "path-outside",
  "The path leads out of the target",
  "the path has a segment . or .., written out or encoded, or a header field names another path",
  "send the path that is meant, and no field like X-Original-URL"
)
const FRAMING = refused(
  400,
  "bad-request",
  "Not a request to this proxy",
  "the Transfer-Encoding is another one than chunked, alone",
  "send the body in chunks, or with its length"
)
const TRACED = refused(
  405,
  "method",
  "The method is not passed on",
  "TRACE would show the token",
  "use another method"
)
const UPGRADE = refused(
  501,
  "websocket",
  "No WebSockets",
  "this proxy passes requests and answers on, streams included, and no WebSockets",
  "use the HTTP transport of the service, or `lockstep token TENANT`"
)

/**
 * Makes a guard.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): (request: IncomingMessage) => Verdict => {
  const secret = Buffer.from(Redacted.value(options.secret), "latin1")
  const hosts = new Set(options.hosts.map((host) => host.toLowerCase()))
  const origins = new Set(options.origins)

  /** How long a secret is can be read in the source; what it is takes the same time to refuse, whatever was sent. */
  const isSecret = (text: string): boolean =>
    text.length === secret.length && Crypto.timingSafeEqual(Buffer.from(text, "latin1"), secret)

  const isOwnHost = ({ rawHeaders, socket }: IncomingMessage): boolean => {
    const named = LocalRequest.named(rawHeaders, "host")
    return named.length === 1 && LocalRequest.isLoopback(named[0]!, socket.localPort, hosts)
  }

  return (request) => {
    const url = request.url ?? ""
    const query = url.includes("?") ? url.slice(url.indexOf("?")) : ""
    const [, segment = "", path = ""] = /^\/([^/]*)\/?(.*)$/s.exec(url.slice(0, url.length - query.length)) ?? []
    if (!isSecret(segment)) return Verdict.Unknown()
    if (!isOwnHost(request)) return request.headers.host === undefined ? FORM : HOST
    const { headers, method } = request
    if (!LocalRequest.isFramedOnce(request)) return FRAMING
    if (method === "TRACE" || method === "TRACK") return TRACED
    const origin = headers.origin
    if (origin !== undefined && !origins.has(origin)) return ORIGIN
    if (origin === undefined && LocalRequest.isAcrossSites(headers)) return ORIGIN
    if (ProxyPath.leadsOut(path) || ProxyHeaders.namesPath(request.rawHeaders)) return TRAVERSAL
    if (origin !== undefined && method === "OPTIONS" && headers["access-control-request-method"] !== undefined) {
      return Verdict.Preflight({ origin })
    }
    if (/(?:^|,)\s*websocket\s*(?:,|$)/i.test(headers.upgrade ?? "")) return UPGRADE
    return Verdict.Admitted({ path, query, origin })
  }
}
