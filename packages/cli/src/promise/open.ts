/**
 * Puts the services behind promises.
 *
 * @since 0.1.0
 */
import { type Demand as CoreDemand, RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import { parseDuration } from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as BearerFetch from "@lockstep/http/BearerFetch"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Advice from "../errors/Advice.js"
import * as SharedServices from "../wiring/SharedServices.js"
import type {
  Abortable,
  Demand,
  FetchOptions,
  Lockstep,
  LoginOptions,
  McpOptions,
  McpTransport,
  OpenOptions,
  Span
} from "./Lockstep.js"
import type { LockstepError } from "./LockstepError.js"
import * as Status from "./status.js"
import { handed } from "./tokens.js"
import { closed, fromError, Passed, translated, usage } from "./translate.js"

const tenantOf = (text: unknown): Effect.Effect<TenantId.TenantId, LockstepError> =>
  Effect.mapError(
    Effect.suspend(() => TenantId.fromString(typeof text === "string" ? text : "")),
    () =>
      usage("a tenant is 1 to 512 bytes of text without control characters", "name a login: \"codex\", \"codex@work\"")
  )

const spanOf = (name: string, span: Span | undefined): Effect.Effect<Option.Option<Duration.Duration>, LockstepError> =>
  Effect.suspend((): Effect.Effect<Option.Option<Duration.Duration>, LockstepError> => {
    if (span === undefined) return Effect.succeedNone
    const read = typeof span === "string"
      ? parseDuration(span)
      : Option.filter(Option.some(Duration.millis(span)), () => Number.isFinite(span) && span >= 0)
    return Option.isSome(read)
      ? Effect.succeed(read)
      : Effect.fail(usage(`${name} is no span of time`, "give milliseconds, or text such as \"300s\" or \"5 minutes\""))
  })

const demandOf = ({ margin, minTtl }: Omit<Demand, "signal">): Effect.Effect<CoreDemand, LockstepError> =>
  Effect.map(
    Effect.all({ margin: spanOf("margin", margin), minTtl: spanOf("minTtl", minTtl) }),
    (spans) => ({
      ...Option.match(spans.margin, { onNone: () => ({}), onSome: (margin) => ({ margin }) }),
      ...Option.match(spans.minTtl, { onNone: () => ({}), onSome: (minTtl) => ({ minTtl }) })
    })
  )

const timeoutOf = (span: Span | undefined) =>
  Effect.map(
    spanOf("timeout", span),
    Option.match({ onNone: () => ({}), onSome: (timeout: Duration.Duration) => ({ timeout }) })
  )

const defined = <A extends object>(members: A): { readonly [K in keyof A]?: Exclude<A[K], undefined> } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never

/** The options that a command needs to act on the same home. */
const globalsOf = ({ home, store }: OpenOptions): ReadonlyArray<string> => [
  ...(home === undefined ? [] : ["--home", home]),
  ...(store === undefined ? [] : ["--store", store])
]

/** A fiber that waits for another process keeps no event loop alive. */
const keptAlive = async <A>(promise: Promise<A>): Promise<A> => {
  const timer = setInterval(() => {}, 2 ** 31 - 1)
  try {
    return await promise
  } finally {
    clearInterval(timer)
  }
}

type Runtime = ManagedRuntime.ManagedRuntime<SharedServices.Services, unknown>

/**
 * Opens the logins that the command and all other programs of this machine share. Nothing is created, locked or asked
 * before it is needed. Rejects where settings disagree.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = async (options: OpenOptions = {}): Promise<Lockstep> => {
  const { home, signal, store } = options
  const globals = globalsOf(options)
  const runtime: Runtime = ManagedRuntime.make(
    // A program's streams are its own.
    Layer.merge(SharedServices.layer({ home, store }), Logger.remove(Logger.defaultLogger))
  )
  let closing: Promise<void> | undefined

  const settled = async <A>(
    effect: Effect.Effect<A, unknown, SharedServices.Services>,
    { signal }: Abortable = {}
  ): Promise<A> => {
    signal?.throwIfAborted()
    if (closing !== undefined) throw closed()
    const exit = await keptAlive(runtime.runPromiseExit(effect, signal === undefined ? {} : { signal }))
    if (Exit.isSuccess(exit)) return exit.value
    if (Exit.isInterrupted(exit)) throw signal?.aborted === true ? signal.reason : closed()
    const error = Cause.squash(exit.cause)
    throw error instanceof Passed ? error.reason : fromError(error)
  }

  const run = <A>(effect: Effect.Effect<A, unknown, SharedServices.Services>, abortable?: Abortable): Promise<A> =>
    settled(translated(globals)(effect), abortable)

  /** Errors of functions that were made once and are called by other programs. */
  const rethrown = async (error: unknown): Promise<never> => {
    if (!Advice.isAdvising(error)) throw error
    // What is closed can look nothing up.
    return closing === undefined ? run(Effect.fail(error)) : Promise.reject(fromError(error))
  }

  const coordinated = <A>(
    tenant: string,
    ask: (coordinator: RefreshCoordinator["Type"], tenant: TenantId.TenantId) => Effect.Effect<A, unknown>,
    abortable?: Abortable
  ): Promise<A> =>
    run(
      Effect.flatMap(
        Effect.all([RefreshCoordinator, tenantOf(tenant)]),
        ([coordinator, one]) => ask(coordinator, one)
      ),
      abortable
    )

  const accessToken: Lockstep["accessToken"] = (tenant, demand = {}) =>
    coordinated(
      tenant,
      (coordinator, one) =>
        Effect.map(Effect.flatMap(demandOf(demand), (asked) => coordinator.accessToken(one, asked)), handed),
      demand
    )

  const recover: Lockstep["recover"] = (tenant, rejected, demand = {}) => {
    const token = Redacted.make(typeof rejected === "string" ? rejected : rejected.token)
    return coordinated(
      tenant,
      (coordinator, one) =>
        Effect.map(Effect.flatMap(demandOf(demand), (asked) => coordinator.recover(one, token, asked)), handed),
      demand
    )
  }

  const refresh: Lockstep["refresh"] = (tenant, options = {}) =>
    coordinated(
      tenant,
      (coordinator, one) =>
        Effect.map(
          coordinator.refresh(one, { acceptRisk: options.acceptRisk === true }),
          ({ by, previousGeneration, rotated, token }) => ({ by, previousGeneration, rotated, token: handed(token) })
        ),
      options
    )

  const status = ((subject?: string | Abortable, abortable?: Abortable) =>
    typeof subject === "string"
      ? run(Effect.flatMap(tenantOf(subject), Status.one), abortable)
      : run(Status.all, subject)) as Lockstep["status"]

  const fetchOf = ({ fetch, margin, maxRedirects, minTtl, origins, stepUp, tenant, timeout }: FetchOptions) => {
    let made: Promise<BearerFetch.FetchLike> | undefined
    const make = () =>
      run(Effect.gen(function*() {
        return yield* BearerFetch.make({
          ...defined({ fetch, maxRedirects, origins, stepUp }),
          ...yield* timeoutOf(timeout),
          tenant: yield* tenantOf(tenant),
          demand: yield* demandOf({ margin, minTtl })
        })
      }))
    return async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
      init?.signal?.throwIfAborted()
      if (closing !== undefined) throw closed()
      const send = await (made ??= make())
      return keptAlive(send(input, init)).catch(rethrown)
    }
  }

  const mcp = (options: McpOptions): Promise<McpTransport> => {
    const { margin, minTtl, serverUrl, tenant, timeout, ...rest } = options
    return run(Effect.gen(function*() {
      const SdkTransport = yield* Effect.promise(() => import("@lockstep/mcp/SdkTransport"))
      const { authProvider, fetch } = yield* SdkTransport.make({
        ...defined(rest),
        ...yield* timeoutOf(timeout),
        serverUrl,
        tenant: yield* tenantOf(tenant),
        demand: yield* demandOf({ margin, minTtl })
      })
      const translating = <A extends ReadonlyArray<never>, B>(call: (...args: A) => Promise<B>) => (...args: A) =>
        call(...args).catch(rethrown)
      const members = Object.entries(authProvider).map(([name, member]) => [
        name,
        typeof member === "function"
          ? translating(member as (...args: ReadonlyArray<never>) => Promise<unknown>)
          : member
      ])
      return {
        authProvider: Object.fromEntries(members) as McpTransport["authProvider"],
        fetch: (url, init) => fetch(url, init).catch(rethrown)
      } satisfies McpTransport
    }))
  }

  const login = (target: string, options: LoginOptions = {}) =>
    settled(
      Effect.gen(function*() {
        const Login = yield* Effect.promise(() => import("./login.js"))
        return yield* Login.run(target, options, { globals, timeout: yield* spanOf("timeout", options.timeout) })
      }),
      options
    )

  // A refresh that has sent its token is waited for, and what it brings is stored.
  const close = () => closing ??= keptAlive(runtime.dispose())

  const lockstep: Lockstep = {
    accessToken,
    recover,
    refresh,
    status,
    fetch: fetchOf,
    mcp,
    login,
    close,
    [Symbol.asyncDispose]: close
  }
  try {
    await settled(Effect.void, { signal })
  } catch (error) {
    await close()
    throw error
  }
  return lockstep
}
