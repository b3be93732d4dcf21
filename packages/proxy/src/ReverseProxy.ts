/**
 * A reverse proxy on this machine that attaches the access token of one tenant to every request, for clients in any
 * language. It listens on loopback only, and lets in who knows the secret in its path.
 *
 * Nothing is done in the background: a login that is not used is not refreshed, and one that is in use is refreshed by
 * the request that needs it, for all.
 *
 * When the scope closes, nothing new is taken on, what is under way may end within `grace`, and what is left is cut.
 *
 * @since 0.1.0
 */
import type { RefreshError } from "@lockstep/core/Errors"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import type { TenantId } from "@lockstep/core/TenantId"
import * as LoopbackServers from "@lockstep/node/network/LoopbackServers"
import * as Workload from "@lockstep/node/network/Workload"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as ProxyDesk from "./ProxyDesk.js"
import type * as ProxyExchange from "./ProxyExchange.js"
import * as ProxyGuard from "./ProxyGuard.js"
import * as ProxyLog from "./ProxyLog.js"
import type * as ProxyTarget from "./ProxyTarget.js"
import * as ProxyTokens from "./ProxyTokens.js"
import type * as ProxyTunnel from "./ProxyTunnel.js"
import * as ProxyUpstream from "./ProxyUpstream.js"

/**
 * The port that was asked for is taken.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProxyPortTaken extends Data.TaggedError("ProxyPortTaken")<{ readonly port: number }> {
  override get message(): string {
    return this.port === 0 ? "no port of loopback is free" : `port ${this.port} of loopback is taken`
  }
  get advice(): string {
    return "choose another port, or leave it out: then a free one is taken"
  }
}

/**
 * What a proxy takes on at most. Durations are milliseconds, sizes bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Exchanges at one time; one more is answered 503. 256. */
  readonly streams: number
  /** Connections on each of the two addresses that have shown the secret; one more is closed. 512. */
  readonly connections: number
  /** Connections beside them that have not, on each; when one more comes, the oldest is closed. 64. */
  readonly strangers: number
  /** Of request line and header fields, and of those of the upstream. 64 KiB. */
  readonly header: number
  /** Of a request's body, kept so that it can be sent again after a 401. 256 KiB. */
  readonly keep: number
  /** Until the header fields of a request have come. 10 s. */
  readonly headersTimeout: number
  /** Until the upstream accepts a connection. 10 s. */
  readonly connectTimeout: number
  /** Until the upstream begins its answer. 10 min. */
  readonly responseTimeout: number
  /** Without a byte in either direction. 1 h. */
  readonly idle: number
  /** For what is under way when the proxy ends. 5 s. */
  readonly grace: number
}

/**
 * The limits where none are given.
 *
 * @since 0.1.0
 * @category defaults
 */
export const LIMITS: Limits = {
  streams: 256,
  connections: 512,
  strangers: 64,
  header: 65_536,
  keep: 262_144,
  headersTimeout: 10_000,
  connectTimeout: 10_000,
  responseTimeout: 600_000,
  idle: 3_600_000,
  grace: 5_000
}

/**
 * How to make a proxy.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: TenantId
  readonly target: ProxyTarget.ProxyTarget
  /** 0 is any that is free. */
  readonly port?: number
  /** Further names of this machine for which requests are taken, with any port. */
  readonly hosts?: ReadonlyArray<string>
  /** Origins of web pages that may send requests. */
  readonly origins?: ReadonlyArray<string>
  readonly limits?: Partial<Limits>
  /** Words the advice of an error of the login, which is the library's where nothing is said. */
  readonly advise?: (error: RefreshError) => string
  /** Called when the proxy ends while exchanges are under way; what it is given cuts them at once. */
  readonly onDrain?: (hurry: () => void) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * A proxy that listens.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReverseProxy {
  readonly port: number
  /** With the secret, and a slash at its end. */
  readonly url: Redacted.Redacted
  /** How many exchanges are under way. */
  readonly streams: () => number
}

/** Milliseconds that a client's connection may be idle between two requests. */
const KEEP_ALIVE = 60_000

/**
 * Listens on 127.0.0.1, and on ::1 where there is one: a process with the other address of the same port would get what
 * is sent to `localhost`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const listen = (
  options: Options
): Effect.Effect<
  ReverseProxy,
  ProxyPortTaken | ProxyTunnel.ProxyAddressInvalid,
  RefreshCoordinator | Scope.Scope
> =>
  Effect.gen(function*() {
    const { port = 0, target, tenant } = options
    const limits = { ...LIMITS, ...options.limits }
    const fork = Runtime.runFork(yield* Effect.runtime<never>())
    const secret = ProxyGuard.makeSecret()
    const base = `/${Redacted.value(secret)}/`
    const workload = yield* Workload.make({ limit: limits.streams, idle: limits.idle })
    const upstream = yield* ProxyUpstream.make(target.origin, limits)
    const context: ProxyExchange.Context = {
      tenant,
      tokens: ProxyTokens.make({
        tenant,
        target,
        coordinator: yield* RefreshCoordinator,
        advise: options.advise
      }),
      target,
      base,
      upstream,
      keep: limits.keep,
      isEnding: workload.isEnding,
      run: (effect, done) => {
        const fiber = fork(effect)
        fiber.addObserver(done)
        return () => fiber.unsafeInterruptAsFork(fiber.id())
      }
    }
    const { begin, onEnd } = yield* ProxyLog.make(tenant)
    const desk = ProxyDesk.make({
      guard: ProxyGuard.make({ secret, hosts: options.hosts ?? [], origins: options.origins ?? [] }),
      workload,
      begin: begin(context),
      onEnd
    })

    const opened = yield* LoopbackServers.open([port], desk.handle, Effect.void, {
      http: {
        maxHeaderSize: limits.header,
        headersTimeout: limits.headersTimeout,
        requestTimeout: 0,
        keepAliveTimeout: KEEP_ALIVE,
        connectionsCheckingInterval: 1_000
      },
      maxConnections: limits.connections,
      maxStrangers: limits.strangers,
      maxRequestsPerSocket: 0,
      // A client that waits for 100 before it sends a body is looked at first.
      answersExpectation: true
    })
    if (Option.isNone(opened)) return yield* new ProxyPortTaken({ port })
    const { port: bound, servers } = opened.value
    yield* Effect.addFinalizer(() =>
      workload.drain({
        grace: limits.grace,
        onDrain: options.onDrain ?? (() => Effect.void),
        stop: () => servers.forEach((server) => server.close()),
        onLeft: () => servers.forEach((server) => server.closeIdleConnections())
      })
    )
    return {
      port: bound,
      url: Redacted.make(`http://127.0.0.1:${bound}${base}`),
      streams: workload.size
    }
  })
