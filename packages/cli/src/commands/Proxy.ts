/**
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { ReauthorizationRequired } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import * as ProxyTarget from "@lockstep/proxy/ProxyTarget"
import * as ReverseProxy from "@lockstep/proxy/ReverseProxy"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Advice from "../errors/Advice.js"
import * as Advised from "../errors/Advised.js"
import { UsageError } from "../line/UsageError.js"
import * as Signals from "../Signals.js"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"
import * as Sources from "../token/Sources.js"

/**
 * What `lockstep proxy` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: TenantId
  /** Where the requests go: an origin and a path. */
  readonly to: string
  readonly port: Option.Option<number>
  readonly allowOrigin: ReadonlyArray<string>
  readonly allowHost: ReadonlyArray<string>
  /** How long what is under way may take when the proxy ends. */
  readonly grace: Option.Option<Duration.Duration>
  readonly json: boolean
}

const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/i

const isOrigin = (text: string): boolean => URL.canParse(text) && new URL(text).origin === text

const checked = (options: Options): Effect.Effect<void, UsageError> =>
  !options.allowOrigin.every(isOrigin)
    ? new UsageError({
      reason: "Arguments",
      message: "--allow-origin: the origin of a web page is expected",
      advice: "write scheme, host and port as browsers do: http://localhost:3000"
    })
    : !options.allowHost.every((host) => HOST.test(host))
    ? new UsageError({
      reason: "Arguments",
      message: "--allow-host: the name of a host is expected",
      advice: "write it without scheme and port: host.docker.internal"
    })
    : Effect.void

/**
 * Finds where requests go. The login must be there, and be one for this target: a person who starts a proxy does not want
 * to read of it in its answers.
 *
 * @since 0.1.0
 * @category combinators
 */
export const targetFor = (tenant: TenantId, to: string) =>
  Effect.gen(function*() {
    const target = yield* ProxyTarget.fromText(to)
    const store = yield* CredentialStore
    const stored = yield* store.get(tenant)
    if (Option.isNone(stored)) return yield* new ReauthorizationRequired({ tenant, reason: "NotFound" })
    yield* ProxyTarget.check(target, { tenant, resource: stored.value.credential.resource })
    return target
  })

/**
 * Listens, with the advice of its answers in the words of the command.
 *
 * @since 0.1.0
 * @category combinators
 */
export const listen = (options: Omit<ReverseProxy.Options, "advise">) =>
  Effect.gen(function*() {
    const beginning = yield* Advised.beginningOf(options.tenant)
    return yield* ReverseProxy.listen({ ...options, advise: (error) => Advice.of(error, beginning) }).pipe(
      Effect.catchTag("ProxyAddressInvalid", ({ advice, message }) =>
        new UsageError({ reason: "Configuration", message, advice }))
    )
  })

/**
 * The address without the slash at its end, as programs have it that append a path.
 *
 * @since 0.1.0
 * @category getters
 */
export const bare = ({ url }: ReverseProxy.ReverseProxy): Redacted.Redacted =>
  Redacted.make(Redacted.value(url).replace(/\/$/, ""))

/** What a person at a terminal is told beside the address. */
const tell = (text: string) =>
  Effect.flatMap(
    Output.Output,
    (output) =>
      output.noteScreen.isTerminal ? output.note(`${output.noteStyle.dim(Style.printable(text))}\n`) : Effect.void
  )

/**
 * Passes requests on with a fresh token until a signal ends it. Always uses the stored login.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    const { json, port, tenant, to } = options
    yield* checked(options)
    const target = yield* targetFor(tenant, to)
    yield* Sources.warnWhereShadowed(tenant)
    const signals = yield* Signals.Signals
    const output = yield* Output.Output
    const proxy = yield* listen({
      tenant,
      target,
      port: Option.getOrElse(port, () => 0),
      hosts: options.allowHost,
      origins: options.allowOrigin,
      limits: Option.match(options.grace, {
        onNone: () => ({}),
        onSome: (grace) => ({ grace: Duration.toMillis(grace) })
      }),
      // A second signal is no reason to lose a login, and one to lose what is under way.
      onDrain: (hurry) =>
        tell("lockstep: finishing what is under way; once more to cut it").pipe(
          Effect.zipRight(signals.redirect((signal) => Signals.isEnding(signal) ? hurry() : undefined)),
          Effect.provideService(Output.Output, output)
        )
    })
    const url = Redacted.value(proxy.url)
    yield* json ? Output.json({ url }) : Output.line(url)
    yield* tell(`lockstep: passes requests on to ${target.origin}${target.path} as ${tenant}; Ctrl-C ends it`)
    return yield* Effect.never
  }).pipe(Effect.scoped)
