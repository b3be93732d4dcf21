/**
 * What a transport of the MCP TypeScript SDK is given: a provider for its logins and a `fetch` for its requests.
 *
 * ```ts
 * new StreamableHTTPClientTransport(url, yield* SdkTransport.make({ tenant, serverUrl: url }))
 * ```
 *
 * The `fetch` attaches a fresh token to each request to the server and recovers once from a rejected one, so the SDK sees
 * a 401 only where a person is needed, and then it is the server's own, with its challenge. Requests to authorization
 * servers carry no token. A request whose answer no caller waits for never refreshes: the end of a session goes out
 * with the token that is stored, and the stream of announcements waits until a request of the owner's has brought a
 * newer one.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { RefreshError } from "@lockstep/core/Errors"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as BearerFetch from "@lockstep/http/BearerFetch"
import type { BearerOptions } from "@lockstep/http/BearerOptions"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Promised from "./internal/promise.js"
import * as Scopes from "./internal/scopes.js"
import { McpServerRejected, nameOf } from "./McpError.js"
import * as OAuthClientProvider from "./OAuthClientProvider.js"
import * as ProtectedResource from "./ProtectedResource.js"
import type * as SdkTypes from "./SdkTypes.js"

/**
 * Whose login it is, where its token may go, and how a person gets to a browser.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options
  extends Omit<OAuthClientProvider.Options, "refreshedBy">, Pick<BearerOptions, "origins" | "demand" | "timeout">
{
  /** The `fetch` that sends. The global one. */
  readonly fetch?: FetchLike
}

/**
 * A `fetch` as the transports of the SDK call it.
 *
 * @since 0.1.0
 * @category models
 */
export type FetchLike = (url: string | URL, init?: RequestInit) => Promise<Response>

/**
 * The options of a transport, for both lines of the SDK.
 *
 * @since 0.1.0
 * @category models
 */
export interface SdkTransport {
  readonly authProvider: SdkTypes.OAuthClientProvider
  readonly fetch: FetchLike
}

const isBearer = (header: string | null): boolean => /^bearer /i.test(header ?? "")

/**
 * Whether a stream is the one on which a session is told things without a request. Without a session it is how the
 * older transport connects; with the id of an event it is the rest of an answer: a caller waits for these two.
 */
const isAnnouncements = (headers: Headers): boolean =>
  (headers.has("mcp-session-id") || headers.has("mcp-protocol-version")) && !headers.has("last-event-id")

const tagOf = (error: unknown): string | undefined => {
  const tag: unknown = typeof error === "object" && error !== null ? Reflect.get(error, "_tag") : undefined
  return typeof tag === "string" ? tag : undefined
}

/** Nothing that is stored can be used, and only its owner may have it refreshed. */
const isOffline = (error: unknown): boolean =>
  tagOf(error) === "ProviderUnavailable" && (error as RefreshError & { readonly reason: string }).reason === "Offline"

/**
 * Makes the `fetch` alone, for a transport whose logins another part of the program makes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeFetch = (
  options: Pick<Options, "tenant" | "serverUrl" | "origins" | "demand" | "timeout" | "fetch">
): Effect.Effect<FetchLike, never, RefreshCoordinator | CredentialStore> =>
  Effect.gen(function*() {
    const coordinator = yield* RefreshCoordinator
    const store = yield* CredentialStore
    const run = Promised.make(yield* Effect.runtime<never>())
    const { serverUrl, tenant, ...rest } = options
    const server = new URL(serverUrl)
    const bare: FetchLike = (url, init) => (options.fetch ?? globalThis.fetch)(url, init)
    const bearer = { ...rest, tenant, fetch: bare as BearerFetch.FetchLike, stepUp: "respond" } as const
    const foreground = yield* BearerFetch.make(bearer)
    const background = yield* BearerFetch.make({ ...bearer, background: true })

    /** The token that is stored, as far as it can be used. */
    const present = Effect.option(Effect.map(coordinator.peek(tenant), ({ token }) => Redacted.value(token)))

    /** The scopes of a token that can still be used: none other is stepped up from. */
    const granted = Effect.orElseSucceed(
      Effect.map(coordinator.peek(tenant), ({ scope }) => Option.getOrElse(scope, () => "")),
      () => ""
    )

    /** Waits until the store has another token than this one. */
    const newer = (than: string | undefined) =>
      Effect.scoped(Effect.gen(function*() {
        // Subscribed before it is read: what is stored in between is not missed.
        const changes = yield* store.changes(tenant)
        while (true) {
          const now = yield* present
          if (now._tag === "Some" && now.value !== than) return
          yield* Queue.take(changes)
        }
      }))

    /**
     * A stream whose answer no caller waits for: it is opened with what is stored, and not at the cost of a refresh.
     */
    const stream = async (url: string | URL, init: RequestInit): Promise<Response> => {
      const signal = init.signal ?? undefined
      while (true) {
        const token = await run(present, { signal })
        const before = token._tag === "Some" ? token.value : undefined
        try {
          const response = await background(url, init)
          if (response.status !== 401) return response
          await response.body?.cancel()
        } catch (error) {
          if (!isOffline(error)) throw error
        }
        await run(newer(before), { signal })
      }
    }

    return async (url, init = {}) => {
      const headers = new Headers(init.headers)
      const target = new URL(url)
      const hasToken = isBearer(headers.get("authorization"))
      // The SDK reads the provider's token into the header of whatever goes to the server, also where a redirect or an
      // announced endpoint leads; what goes to an authorization server has no such header.
      const isOurs = target.origin === server.origin && (hasToken || target.pathname === server.pathname)
      if (!ProtectedResource.mayName(server, target.href)) {
        throw new McpServerRejected({
          reason: "MetadataAddress",
          server: nameOf(server),
          message: `${nameOf(server)} names an address that only a server on this machine may name`,
          advice: "nothing was sent there; ask the operator of the server to correct it"
        })
      }
      if (!isOurs) return bare(url, typeof init.body === "string" ? Scopes.registering(init, await run(granted)) : init)
      headers.delete("authorization")
      const request = { ...init, headers }
      const method = (init.method ?? "GET").toUpperCase()
      if (method === "DELETE") return background(url, request)
      if (method === "GET" && isAnnouncements(headers)) return stream(url, request)
      try {
        return await foreground(url, request)
      } catch (error) {
        if (tagOf(error) !== "ReauthorizationRequired") throw error
        // Nothing is lost by asking without a token, and the server's challenge says where to get one.
        return bare(url, request)
      }
    }
  })

/**
 * Makes the options of a transport.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<SdkTransport, never, OAuthClientProvider.Services> =>
  Effect.all({
    authProvider: OAuthClientProvider.make({ ...options, refreshedBy: "fetch" }),
    fetch: makeFetch(options)
  })
