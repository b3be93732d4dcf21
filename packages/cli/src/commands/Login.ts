/**
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { LOCAL_USER, type PendingKey, PendingLogins } from "@lockstep/core/PendingLogins"
import type { TenantId } from "@lockstep/core/TenantId"
import { Browser } from "@lockstep/node/login/Browser"
import { type Invitation, Login, type LoginRequest, type LoginResult } from "@lockstep/oauth/Login"
import type { LoginMethod, OAuthVendor } from "@lockstep/oauth/OAuthVendor"
import { VendorRegistry } from "@lockstep/oauth/VendorRegistry"
import { VendorSettings } from "@lockstep/oauth/VendorSettings"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Advised from "../errors/Advised.js"
import { UsageError } from "../line/UsageError.js"
import * as Attempt from "../login/Attempt.js"
import * as Beginning from "../login/Beginning.js"
import * as ClientGrant from "../login/ClientGrant.js"
import * as InvitationView from "../login/InvitationView.js"
import * as McpTarget from "../login/McpTarget.js"
import * as Present from "../login/Present.js"
import * as Progress from "../login/Progress.js"
import * as ResultView from "../login/ResultView.js"
import * as ServerWishes from "../login/ServerWishes.js"
import * as Target from "../login/Target.js"
import * as Unseen from "../login/Unseen.js"
import * as Output from "../terminal/Output.js"
import * as SecretInput from "../terminal/SecretInput.js"
import * as Style from "../terminal/Style.js"
import * as Sources from "../token/Sources.js"
import * as LoginWiring from "../wiring/LoginWiring.js"

/**
 * What `lockstep login` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Beginning.Typed {
  /** The second step: what the person brings back, or `-`. */
  readonly code: Option.Option<string>
  /** The second step of a device grant: asks once. */
  readonly poll: boolean
  readonly cancel: boolean
  readonly acceptTerms: boolean
  readonly qr: boolean
  readonly timeout: Option.Option<Duration.Duration>
  readonly port: Option.Option<number>
  readonly json: boolean
  /** The global options as they were given, for the command that goes on. */
  readonly globals: ReadonlyArray<string>
}

const usage = (message: string, advice: string) => new UsageError({ reason: "Arguments", message, advice })

// eslint-disable-next-line no-control-regex -- control characters are what is refused
const USER = /^[^\u0000-\u001f\u007f-\u009f]{1,256}$/u

const check = (options: Options): Effect.Effect<void, UsageError> => {
  if ([Option.isSome(options.code), options.poll, options.cancel].filter((isStep) => isStep).length > 1) {
    return usage("--code, --poll and --cancel exclude each other", "say one of them")
  }
  if (Option.isSome(options.clientSecretFrom) && Option.isSome(options.clientKeyFrom)) {
    return usage("--client-secret-from and --client-key-from exclude each other", "say one of them")
  }
  if (!USER.test(options.user)) {
    return usage("--user: 1 to 256 characters are expected, none of them a control character", "choose another name")
  }
  return Effect.void
}

/**
 * The way that was asked for, or the vendor's preferred one.
 *
 * @since 0.1.0
 * @category getters
 */
export const methodOf = (
  { methods }: OAuthVendor,
  options: Pick<Options, "device" | "noBrowser">
): LoginMethod => {
  if (options.device) return "device"
  const preferred = methods[0] ?? "browser"
  return options.noBrowser && preferred === "browser" ? "paste" : preferred
}

const report = (result: LoginResult, options: Options) =>
  Effect.gen(function*() {
    const { location: store } = yield* CredentialStore
    const { dataStyle: style } = yield* Output.Output
    const now = yield* Clock.currentTimeMillis
    yield* Effect.forEach(Option.toArray(ResultView.warning(result)), Output.warn)
    yield* Sources.warnWhereShadowed(result.tenant)
    yield* options.json
      ? Output.json(ResultView.json(result, store))
      : Output.line(ResultView.line(result, { store, now, style }))
  })

/**
 * Tells the caveat before anything is sent. It is accepted once per tenant; without that the driver refuses the login.
 *
 * @since 0.1.0
 * @category combinators
 */
export const terms = ({ tenant, vendor }: LoginRequest, options: Pick<Options, "acceptTerms">) =>
  Effect.gen(function*() {
    if (Option.isNone(vendor.terms)) return
    const { alternative, note, reserved } = vendor.terms.value
    if (reserved) {
      const settings = yield* VendorSettings
      if (options.acceptTerms) yield* settings.acceptTerms(tenant, vendor.id)
      else if (!(yield* settings.hasAcceptedTerms(tenant, vendor.id))) return
    }
    yield* Output.warn(`${note}; instead: ${alternative}`)
  })

/** The first of two steps: says where to go and how to go on, and is done. */
const announce = (invitation: Invitation, subject: InvitationView.Subject & PendingKey, options: Options) =>
  Effect.gen(function*() {
    const step = invitation._tag === "Device" ? ["--poll"] : ["--code", "-"]
    const next = Attempt.command(subject, step, options.globals)
    if (options.json) return yield* Output.json(InvitationView.json(invitation, subject, Option.some(next)))
    const { note } = yield* Output.Output
    const what = invitation._tag === "Device"
      ? "Open this address and enter the code"
      : "Open this address in a browser"
    yield* note(`${InvitationView.introduction(subject)}${what}; then go on with \`${Style.printable(next)}\`.\n`)
    yield* Effect.forEach(InvitationView.lines(invitation), (line) => Output.line(Style.printable(line)))
    yield* Progress.qr(InvitationView.addressOf(invitation), options.qr)
  })

/**
 * Finds out what is asked for. An MCP server is asked for the server that issues its tokens; of every other login that is
 * known here.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (wishes: Target.Wishes) =>
  Effect.gen(function*() {
    const address = yield* McpTarget.addressOf(wishes)
    if (Option.isNone(address)) {
      return { target: yield* Target.resolve(wishes), found: Option.none<McpTarget.McpTarget>() }
    }
    const found = yield* McpTarget.resolve(address.value, wishes)
    const { clientId, clientSecret, issuer, resource, scopes, tenant, vendor } = found
    const target: Target.Target = { tenant, vendor, issuer, clientId, clientSecret, scopes, resource }
    return { target, found: Option.some(found) }
  })

/**
 * Whether the login that is there may be replaced. A person who asks for more scope has said what becomes of it, and not
 * which account it is.
 *
 * @since 0.1.0
 * @category getters
 */
export const replacing = (tenant: TenantId, found: Option.Option<McpTarget.McpTarget>, replace: boolean) => {
  const isOtherServer = Option.exists(found, (one) => one.isOtherServer)
  return !replace && !isOtherServer && Option.exists(found, ({ sameAccount }) => sameAccount)
    ? Effect.succeed({ replace: true, sameAccount: true })
    : Effect.map(Present.mayReplace(tenant, replace, isOtherServer), (may) => ({ replace: may }))
}

const start = (options: Options) =>
  Effect.gen(function*() {
    const login = yield* Login
    const browser = yield* Browser
    const clientSecret = Option.orElse(
      yield* Effect.transposeMapOption(
        options.clientSecretFrom,
        (from) => SecretInput.read(from, "the client secret")
      ),
      yield* Effect.map(ClientGrant.key(options), (key) => () => key)
    )
    const { found, target } = yield* resolve({ ...options, clientSecret })
    const method = methodOf(target.vendor, options)
    const { port, timeout, user } = options
    const request: LoginRequest = {
      ...yield* ServerWishes.complete(target, options, options.clientId),
      ...yield* ClientGrant.resolve(target.tenant, options),
      user,
      ...yield* replacing(target.tenant, found, options.replace),
      port,
      timeout
    }
    if (request.clientGrant !== undefined) return yield* report(yield* login.client(request), options)
    yield* Unseen.refuse(method, options)
    yield* terms(request, options)
    const server = Option.flatMap(found, () => Option.all({ issuer: target.issuer, resource: target.resource }))
    const subject = { tenant: target.tenant, user, method, server }
    if (options.noBrowser) {
      const begin = method === "device" ? login.beginDevice(request) : login.begin(request)
      return yield* announce(yield* begin, subject, options)
    }
    const unseen = yield* Deferred.make<never, UsageError>()
    const opens = (yield* Unseen.isLikely(method, options))
      ? (url: string) =>
        Effect.tap(
          browser.open(url),
          (isOpen) => isOpen ? Effect.void : Effect.zipRight(Deferred.fail(unseen, Unseen.error(options)), Effect.never)
        )
      : browser.open
    const seen = Effect.scoped(Effect.gen(function*() {
      const person = yield* Progress.person({
        ...subject,
        qr: options.qr,
        json: options.json,
        // A person who asks for a device grant means another device.
        open: options.device ? () => Effect.succeed(false) : opens
      })
      return yield* method === "device" ? login.device(request, person) : login.browser(request, person)
    }))
    // Masked: interrupted between making its two fibers and starting them, a race waits for ever.
    const result = yield* Effect.uninterruptibleMask((restore) =>
      Effect.raceFirst(restore(seen), restore(Deferred.await(unseen)))
    )
    yield* report(result, options)
  }).pipe(Advised.worded(Option.some(Beginning.ofOptions(options))))

/** The command that begins an attempt anew: what the attempt itself tells, and where it is gone, what its record does. */
const beginningOf = (key: PendingKey) =>
  Effect.gen(function*() {
    const registry = yield* VendorRegistry
    const pending = yield* Effect.orElseSucceed(
      Effect.flatMap(PendingLogins, (logins) => logins.get(key)),
      Option.none
    )
    if (Option.isSome(pending)) return Beginning.ofPending(registry, { ...key, login: pending.value })
    const user = key.user === LOCAL_USER ? [] : ["--user", key.user]
    return [...yield* Advised.beginningOf(key.tenant), ...user, "--no-browser"]
  })

const resume = (options: Options) =>
  Effect.gen(function*() {
    const login = yield* Login
    const key = { tenant: yield* McpTarget.attemptOf(options), user: options.user }
    if (options.cancel) return yield* Attempt.cancel(key, options.json)
    // What the attempt was begun with holds, unless this step says otherwise.
    const replace = options.replace ? { replace: true } : {}
    const finish = Effect.gen(function*() {
      const result = Option.isSome(options.code)
        ? yield* Attempt.answer(options.code.value, (answer) => login.complete(key, answer, replace))
        : yield* login.poll(key, replace)
      yield* report(result, options)
    })
    // Read before it is spent: an answer that is refused may end the attempt.
    yield* Advised.worded(Option.some(yield* beginningOf(key)))(finish)
  })

/**
 * Logs a person in: in one go, or one step of several.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    yield* check(options)
    yield* options.cancel || options.poll || Option.isSome(options.code) ? resume(options) : start(options)
  }).pipe(Effect.provide(LoginWiring.layer))
