/**
 * What has to be known of an MCP server before a person logs in to it: what it is called in `resource`, who issues its
 * tokens, and what it wants to see in them.
 *
 * @since 0.1.0
 */
import type { RoundTripper } from "@lockstep/core/RoundTrip"
import * as BearerChallenge from "@lockstep/http/BearerChallenge"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as CanonicalResource from "./CanonicalResource.js"
import { McpAddressRefused, type McpError, nameOf } from "./McpError.js"
import * as ProtectedResource from "./ProtectedResource.js"
import * as Retrieval from "./Retrieval.js"

/**
 * A server that asks for tokens.
 *
 * @since 0.1.0
 * @category models
 */
export interface McpServer {
  /** As it was named, without a fragment. */
  readonly url: string
  /** RFC 8707: what every request for a token names. */
  readonly resource: string
  /** In the server's order. */
  readonly issuers: readonly [string, ...Array<string>]
  /** What its challenge asks for, else what its metadata lists, else nothing. */
  readonly scopes: ReadonlyArray<string>
  /**
   * Where its metadata (RFC 9728) was found. `None`: the server does not publish it, as before version 2025-06-18 of
   * the specification, and its own origin is the authorization server.
   */
  readonly metadata: Option.Option<string>
}

/** Not a request that begins a session, which would have to be ended. */
const PING = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" })

/** What the transport of MCP requires clients to accept. */
const ACCEPT = "application/json, text/event-stream"

const refused = (reason: McpAddressRefused["reason"], message: string, advice: string) =>
  new McpAddressRefused({ reason, message, advice })

const redirected = (server: URL, location: string) => {
  const target = URL.canParse(location, server) ? new URL(location, server) : undefined
  return refused(
    "Redirected",
    `${nameOf(server)} redirects elsewhere, and no token follows`,
    target === undefined || target.protocol !== "https:" && !CanonicalResource.isLoopback(target)
      ? "name the address that the server really has"
      : `if you trust it, name that address: ${nameOf(target)}`
  )
}

const bearerIn = (header: string): Option.Option<BearerChallenge.BearerChallenge> =>
  BearerChallenge.parse(header).some(({ scheme }) => scheme === "bearer")
    ? Option.some(BearerChallenge.fromHeader(header))
    : Option.none()

/** The challenge of the first answer that has one, asked as a client of MCP asks, without a token. */
const probe = (roundTripper: RoundTripper, server: URL) =>
  Effect.gen(function*() {
    let status = 0
    for (const [method, body] of [["POST", PING], ["GET", undefined]] as const) {
      const answer = yield* Retrieval.send(roundTripper, {
        url: server,
        method,
        accept: method === "GET" ? "text/event-stream" : ACCEPT,
        ...(body === undefined ? {} : { body }),
        reads: false
      })
      if (answer.status >= 300 && answer.status <= 399) return yield* redirected(server, answer.location)
      status = answer.status
      const challenge = answer.status === 401 || answer.status === 403
        ? bearerIn(answer.authenticate)
        : Option.none()
      if (Option.isSome(challenge) || answer.status === 401) return { status, challenge }
    }
    return { status, challenge: Option.none<BearerChallenge.BearerChallenge>() }
  })

/**
 * Parses the address of a server.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Either.Either<URL, McpAddressRefused> =>
  Either.mapLeft(
    CanonicalResource.parse(text),
    (message) => refused("BadAddress", message, "name the server by its https address, without a password in it")
  )

/**
 * Asks a server who issues its tokens: without a token, without beginning a session, and without following redirects.
 *
 * @since 0.1.0
 * @category constructors
 */
export const discover = (options: {
  readonly roundTripper: RoundTripper
  readonly url: string
}): Effect.Effect<McpServer, McpError> =>
  Effect.gen(function*() {
    const { roundTripper } = options
    const server = yield* parse(options.url)
    const { challenge, status } = yield* probe(roundTripper, server)
    const address = Option.flatMapNullable(challenge, ({ resourceMetadata }) => resourceMetadata || undefined)
    const found = yield* ProtectedResource.find({ roundTripper, server, address })
    const wanted = ProtectedResource.scopesIn(
      Option.match(challenge, { onNone: () => [], onSome: ({ scope }) => scope?.split(/\s+/) })
    )
    if (Option.isSome(found)) {
      const { authorizationServers, resource, scopesSupported, url } = found.value
      return {
        url: server.href,
        resource,
        issuers: authorizationServers,
        scopes: wanted.length > 0 ? wanted : scopesSupported,
        metadata: Option.some(url)
      }
    }
    if (status !== 401) {
      return yield* refused(
        "NotProtected",
        `${nameOf(server)} asks for no login (HTTP ${status}) and names no authorization server`,
        "check that this is the address of an MCP server; one that asks for no login needs no token"
      )
    }
    return {
      url: server.href,
      resource: CanonicalResource.of(server),
      issuers: [server.origin] as const,
      scopes: wanted,
      metadata: Option.none()
    }
  }).pipe(Effect.withSpan("lockstep.mcp.discover"))
