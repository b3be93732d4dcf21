/**
 * The metadata document of a protected resource (RFC 9728): where it is, and which of its words are believed.
 *
 * @since 0.1.0
 */
import * as LoopbackAddress from "@lockstep/core/LoopbackAddress"
import type { RoundTripper } from "@lockstep/core/RoundTrip"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as OAuth from "oauth4webapi"
import * as CanonicalResource from "./CanonicalResource.js"
import { type McpError, McpServerRejected, type McpServerUnavailable, nameOf } from "./McpError.js"
import * as Retrieval from "./Retrieval.js"

/**
 * What a document says.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProtectedResource {
  /** Where the document was found. */
  readonly url: string
  /** As the document spells it: identifiers are compared as text. */
  readonly resource: string
  /** Issuers that may be asked, in the document's order. At least one. */
  readonly authorizationServers: readonly [string, ...Array<string>]
  /** Empty where none are named. */
  readonly scopesSupported: ReadonlyArray<string>
}

const ASK_ITS_OPERATOR = "nothing was stored; ask the operator of the server to correct it"

const rejected = (server: URL, reason: McpServerRejected["reason"], message: string) =>
  new McpServerRejected({ reason, server: nameOf(server), message, advice: ASK_ITS_OPERATOR })

/**
 * Whether an address that a server names may be asked: https, or http on this machine where the server is on it, too. A
 * server elsewhere has no business on this machine, and no server has any at a link-local address.
 *
 * @since 0.1.0
 * @category predicates
 */
export const mayName = (server: URL, text: string): boolean =>
  Either.match(CanonicalResource.parse(text), {
    onLeft: () => false,
    onRight: ({ hostname }) =>
      !LoopbackAddress.isLinkLocal(hostname) &&
      (!LoopbackAddress.isThisMachine(hostname) || LoopbackAddress.isThisMachine(server.hostname))
  })

/** RFC 8414 section 2: no query and no fragment. */
const isIssuer = (server: URL, text: unknown): text is string =>
  typeof text === "string" && text.length <= 2_048 && !/[?#\s]/.test(text) && mayName(server, text)

/** RFC 6749 section 3.3. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/

const SCOPES = 256

/**
 * Keeps what can be a scope, each once.
 *
 * @since 0.1.0
 * @category combinators
 */
export const scopesIn = (words: unknown): ReadonlyArray<string> =>
  Array.isArray(words)
    ? [...new Set(words.filter((word): word is string => typeof word === "string" && SCOPE.test(word)))]
      .slice(0, SCOPES)
    : []

const membersOf = (text: string): Option.Option<Readonly<Record<string, unknown>>> => {
  const parsed = Option.getOrUndefined(Option.liftThrowable((json: string): unknown => JSON.parse(json))(text))
  return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)
    ? Option.some(parsed as Readonly<Record<string, unknown>>)
    : Option.none()
}

const believe = (
  server: URL,
  url: URL,
  members: Readonly<Record<string, unknown>>
): Effect.Effect<ProtectedResource, McpServerRejected> => {
  const { authorization_servers: servers, resource, scopes_supported: scopes } = members
  if (typeof resource !== "string" || resource.length > 2_048 || !CanonicalResource.covers(resource, server)) {
    return rejected(
      server,
      "ResourceMismatch",
      `the metadata of ${nameOf(server)} is that of another resource: a token for it could be used elsewhere`
    )
  }
  const [first, ...others] = Array.isArray(servers) ? servers.filter((one) => isIssuer(server, one)) : []
  return first === undefined
    ? rejected(
      server,
      "IssuerMissing",
      `the metadata of ${nameOf(server)} names no authorization server that may be asked`
    )
    : Effect.succeed({
      url: url.href,
      resource,
      authorizationServers: [first, ...others],
      scopesSupported: scopesIn(scopes)
    })
}

const retrieve = (roundTripper: RoundTripper, url: URL) =>
  Retrieval.send(roundTripper, { url, method: "GET", accept: "application/json", reads: true })

const isRedirect = ({ status }: Retrieval.Answer): boolean => status >= 300 && status <= 399

/** The document that a challenge names. `None` where there is nothing. */
const challenged = (
  roundTripper: RoundTripper,
  server: URL,
  address: string
): Effect.Effect<Option.Option<ProtectedResource>, McpError> =>
  Effect.gen(function*() {
    if (!mayName(server, address)) {
      return yield* rejected(
        server,
        "MetadataAddress",
        `${nameOf(server)} names an address for its metadata that is not https`
      )
    }
    const url = new URL(address)
    const answer = yield* retrieve(roundTripper, url)
    if (isRedirect(answer)) {
      return yield* rejected(server, "MetadataAddress", `the metadata of ${nameOf(server)} redirects elsewhere`)
    }
    if (answer.status !== 200) return Option.none()
    const members = Option.flatMap(Option.fromNullable(answer.text), membersOf)
    return Option.isNone(members)
      ? yield* rejected(server, "MetadataUnreadable", `the metadata of ${nameOf(server)} cannot be read`)
      : Option.some(yield* believe(server, url, members.value))
  })

/** The address of the document of a resource, as RFC 9728 section 3.1 makes it. */
const wellKnown = (resource: URL): Effect.Effect<URL> =>
  Effect.promise(async () => {
    let address = resource.href
    await OAuth.resourceDiscoveryRequest(resource, {
      [OAuth.allowInsecureRequests]: CanonicalResource.isLoopback(resource),
      [OAuth.customFetch]: (url) => {
        address = url
        return Promise.resolve(new Response(null, { status: 204 }))
      }
    })
    return new URL(address)
  })

/**
 * Finds the document of a server: where its challenge says, then at the well-known address with the server's path, then
 * at that of the origin. What is found and not to be believed ends the search: it is never passed over for another.
 *
 * @since 0.1.0
 * @category constructors
 */
export const find = ({ address, roundTripper, server }: {
  readonly roundTripper: RoundTripper
  readonly server: URL
  /** `resource_metadata` of the challenge. */
  readonly address: Option.Option<string>
}): Effect.Effect<Option.Option<ProtectedResource>, McpError> =>
  Effect.gen(function*() {
    if (Option.isSome(address)) {
      const found = yield* challenged(roundTripper, server, address.value)
      if (Option.isSome(found)) return found
    }
    const places = yield* Effect.forEach([server, new URL("/", server)], wellKnown)
    let trouble: McpServerUnavailable | undefined
    for (const href of new Set(places.map((place) => place.href))) {
      const url = new URL(href)
      // The place is guessed: a gateway that has nothing there may call it an error of its own.
      const found = yield* Effect.asSome(retrieve(roundTripper, url)).pipe(
        Effect.catchIf(
          (error): error is McpServerUnavailable =>
            error._tag === "McpServerUnavailable" && error.reason === "ServerError",
          (error) => {
            trouble ??= error
            return Effect.succeedNone
          }
        )
      )
      if (Option.isNone(found)) continue
      const answer = found.value
      // A page in place of a document is what single-page applications serve, or send the browser to, under every path.
      const members = answer.status === 200
        ? Option.flatMap(Option.fromNullable(answer.text), membersOf)
        : Option.none()
      if (Option.isSome(members)) return Option.some(yield* believe(server, url, members.value))
    }
    return trouble === undefined ? Option.none() : yield* trouble
  }).pipe(Effect.withSpan("lockstep.mcp.metadata", { attributes: { "server.address": server.host } }))
