/**
 * Logs people in: the flows of {@link Login} over the descriptors of vendors, without any vendor's name in it.
 *
 * Every flow makes an attempt, brings an answer, and ends in the same step: the tenant's lock is taken, then what the
 * answer is worth is spent, then the record is stored. Whatever can fail without spending comes before the lock, and no
 * lock is held while a person is at the browser.
 *
 * @since 0.1.0
 */
import { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import type { Credential } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import type { Custody } from "@lockstep/core/Custody"
import type { Host } from "@lockstep/core/Host"
import type { PendingKey } from "@lockstep/core/PendingLogins"
import { isAncient, isSameAttempt, LIFETIME, PendingLogin, PendingLogins } from "@lockstep/core/PendingLogins"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import * as ShellWord from "@lockstep/core/ShellWord"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as AnswerWait from "./AnswerWait.js"
import * as AuthorizationLook from "./AuthorizationLook.js"
import * as AuthorizationRequest from "./AuthorizationRequest.js"
import * as AuthorizationResponse from "./AuthorizationResponse.js"
import type { Attempt } from "./AuthorizationResponse.js"
import { Callback } from "./Callback.js"
import * as CodeExchange from "./CodeExchange.js"
import * as DeviceDriver from "./DeviceDriver.js"
import * as DevicePolling from "./DevicePolling.js"
import { Login } from "./Login.js"
import type { Invitation, LoginRequest, LoginResult } from "./Login.js"
import * as LoginClient from "./LoginClient.js"
import type { LoginError } from "./LoginError.js"
import { LoginFailed } from "./LoginError.js"
import type { Wire } from "./LoginGrant.js"
import * as LoginGrant from "./LoginGrant.js"
import * as LoginStart from "./LoginStart.js"
import * as LoginTarget from "./LoginTarget.js"
import { generic } from "./OAuthVendor.js"
import type { RoundTripper } from "./RoundTripper.js"
import * as SameAccount from "./SameAccount.js"
import * as SealedKey from "./SealedKey.js"
import * as SharedClient from "./SharedClient.js"
import { VendorRegistry } from "./VendorRegistry.js"
import type { VendorSettings } from "./VendorSettings.js"

/**
 * Everything that logging in needs.
 *
 * @since 0.1.0
 * @category models
 */
export type Requirements =
  | RoundTripper
  | VendorRegistry
  | VendorSettings
  | Callback
  | PendingLogins
  | ClientRegistrations
  | CredentialStore
  | CredentialWriter.CredentialWriter
  | Custody
  | RefreshPolicy
  | Host
  | TokenEndpoint

/**
 * How long a person may take, where the request names no time.
 *
 * @since 0.1.0
 * @category defaults
 */
export const TIMEOUT = Duration.minutes(10)

/** Ports that are assigned to no service, RFC 6335: what listens there is not expecting a code. */
const DYNAMIC_PORTS = { from: 49_152, to: 65_536 }

const spanOf = (now: number, lifetime: Duration.Duration): AuthorizationRequest.Span => ({
  beganAt: now,
  expiresAt: now + Duration.toMillis(lifetime)
})

const secondsOf = (now: number): number => now / 1_000

const hasExpired = (login: PendingLogin, now: number): boolean =>
  isAncient(login.createdAt, now) || Option.exists(login.expiresAt, (end) => end <= secondsOf(now))

const attributes = ({ tenant, vendor }: LoginRequest) => ({ attributes: { tenant, vendor: vendor.id } })

/**
 * Makes a driver.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Login["Type"], never, Requirements> = Effect.gen(function*() {
  const vendors = yield* VendorRegistry
  const callback = yield* Callback
  const pending = yield* PendingLogins
  const clients = SharedClient.make(yield* ClientRegistrations)
  const writer = yield* CredentialWriter.CredentialWriter
  const { start, wire } = yield* LoginStart.make
  const stored = yield* CredentialStore
  const endpoint = yield* TokenEndpoint
  const policy = yield* RefreshPolicy

  /** Builds the address that a person opens, registering a client first where none is known. */
  const beginAt = (
    started: LoginStart.StartedLogin,
    secrets: AuthorizationRequest.AttemptSecrets,
    redirectUri: string,
    span: AuthorizationRequest.Span
  ): Effect.Effect<AuthorizationRequest.BegunLogin, LoginError> =>
    started.method === "key"
      ? SealedKey.make({ target: started.target, redirectUri, span })
      : Effect.gen(function*() {
        const { before, target, wire: way } = started
        const address = Option.some(redirectUri)
        const known = yield* clients.of(started, address)
        const begun = yield* AuthorizationRequest.make({ target, client: known, secrets, redirectUri, span })
        // A vendor's own client is known to the vendor, and one that was registered just now to the server.
        const isOld = Option.exists(target.client, ({ id }) => id === known.id)
        if (!isOld || !(target.request.vendor.strict || target.request.vendor.id === generic.id)) return begun
        // Servers count such requests, and a program that goes through several logins in a row is not to look at each.
        if (LoginClient.servedJustNow(known, before, target)) return begun
        const seen = yield* AuthorizationLook.look(way.roundTripper, { url: begun.url, redirectUri })
        if (seen === "Open") return begun
        if (
          (known.redirect._tag === "Registered" || known.isReplaced === true) &&
          Option.isSome(target.endpoints.registrationEndpoint)
        ) {
          const client = yield* clients.renewed(started, address, known)
          return yield* AuthorizationRequest.make({ target, client, secrets, redirectUri, span })
        }
        yield* Effect.logWarning(
          `the authorization server may not know the client ${known.id}; if its page says so, ${
            Option.isSome(target.endpoints.registrationEndpoint)
              ? `log in with \`lockstep login ${ShellWord.quote(target.request.tenant)} --new-client\``
              : "name another one with --client-id"
          }`
        )
        return begun
      })

  /** Holds an answer against its attempt and prepares what can fail. The effect that comes back spends the answer. */
  const prepare = (
    way: Wire,
    attempt: Attempt,
    response: AuthorizationResponse.AuthorizationResponse
  ): Effect.Effect<Effect.Effect<Credential, LoginError>, LoginError> =>
    Effect.gen(function*() {
      const { login } = attempt
      if (login.method === "key") return Effect.succeed(yield* SealedKey.open(response, attempt))
      return yield* CodeExchange.prepare(way, attempt, {
        parameters: yield* AuthorizationResponse.validate(response, attempt),
        redirectUri: Option.getOrElse(login.redirectUri, () => ""),
        codeVerifier: Option.getOrElse(login.codeVerifier, () => Redacted.make(""))
      })
    })

  const clientOf = ({ login: { clientId, issuer }, tenant }: Attempt) => ({ tenant, issuer, clientId })

  const forgettingOf = (attempt: Attempt) => clients.forgetting(clientOf(attempt))

  const store = <E>(
    { tenant, user }: PendingKey,
    method: LoginResult["method"],
    attempt: Attempt,
    obtain: Effect.Effect<Credential, E>,
    replace?: boolean
  ) => {
    const spent = forgettingOf(attempt)(obtain)
    const isWidening = attempt.login.sameAccount && replace !== true
    const checked = isWidening
      ? Effect.flatMap(spent, SameAccount.check({ store: stored, endpoint, timeout: policy.revokeTimeout }, tenant))
      : spent
    return writer.login(tenant, checked, {
      replace: replace ?? attempt.login.replace,
      like: LoginTarget.recordOf(attempt.login)
    }).pipe(
      Effect.tap(clients.proven(clientOf(attempt))),
      Effect.map((login): LoginResult => ({ ...login, tenant, user, method }))
    )
  }

  const browser: Login["Type"]["browser"] = (request, person) =>
    Effect.scoped(Effect.gen(function*() {
      const started = yield* start(request, ["browser", "key"])
      const { vendor } = request
      const lifetime = Option.getOrElse(request.timeout, () => TIMEOUT)
      const secrets = yield* AuthorizationRequest.makeSecrets
      const port = yield* AnswerWait.listen(callback, SharedClient.preferringItsPort(started, request), (query) =>
        started.method === "key" ? query.has("u") : AuthorizationResponse.isFor(query, secrets.state))
      const redirectUri = `http://${vendor.redirect.host}:${port.listener.port}${vendor.redirect.path}`
      const span = spanOf(yield* Clock.currentTimeMillis, lifetime)
      const { login, url } = yield* beginAt(started, secrets, redirectUri, span)
      const attempt: Attempt = { tenant: request.tenant, vendor, login }

      const waiting = AnswerWait.forAnswer({
        port,
        person,
        tenant: request.tenant,
        invitation: { _tag: "Browse", url, expiresAt: span.expiresAt },
        // Nothing but the seal tells whose answer a sealed key is.
        isOurs: (response) =>
          started.method === "key" ? Effect.isSuccess(SealedKey.open(response, attempt)) : Effect.succeed(true),
        check: (response) =>
          started.method === "key"
            ? Effect.asVoid(SealedKey.open(response, attempt))
            : AuthorizationResponse.checkState(response, attempt)
      })
      const answer = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        waiting.pipe(
          Effect.timeoutFail({
            duration: Math.max(0, span.expiresAt - now),
            onTimeout: () =>
              new LoginFailed({ tenant: request.tenant, reason: "Expired" })
          }),
          Effect.onError(() =>
            clients.dropUnproven(clientOf(attempt))
          )
        ))
      const finish = (brought: AnswerWait.BroughtAnswer) =>
        forgettingOf(attempt)(prepare(started.wire, attempt, brought.response)).pipe(
          Effect.flatMap((obtain) => store(request, started.method, attempt, obtain)),
          // The page comes last: it says what is durable.
          Effect.onExit((exit) => brought.respond(AnswerWait.pageOf(request.tenant, exit)))
        )
      // A code that was mistyped is refused and ends nothing: the browser's own answer may still be on its way.
      const untilRight: Effect.Effect<LoginResult, LoginError> = Effect.flatMap(answer, (brought) =>
        Effect.catchIf(
          finish(brought),
          (error) => brought.isPasted && error instanceof LoginFailed && error.reason === "CodeRefused",
          (error) => Effect.zipRight(AnswerWait.tellWrong(error as LoginFailed), untilRight)
        ))
      return yield* untilRight
    })).pipe(Effect.withSpan("lockstep.login.browser", attributes(request)))

  const begin: Login["Type"]["begin"] = (request) =>
    Effect.gen(function*() {
      const started = yield* start(request, ["paste", "key"])
      const { redirect } = request.vendor
      const lifetime = Duration.min(Option.getOrElse(request.timeout, () => LIFETIME), LIFETIME)
      const secrets = yield* AuthorizationRequest.makeSecrets
      const dynamic = yield* Random.nextIntBetween(DYNAMIC_PORTS.from, DYNAMIC_PORTS.to)
      // No program listens there: the person copies the address that the browser could not open.
      const port = Option.getOrElse(
        Option.orElse(request.port, () => Option.fromNullable(redirect.ports.find((one) => one !== 0))),
        () => dynamic
      )
      const registered = Option.filter(SharedClient.redirectOf(started), () => Option.isNone(request.port))
      const redirectUri = Option.isSome(registered)
        ? registered.value.href
        : Option.isSome(redirect.page) && Option.isNone(request.port)
        ? redirect.page.value
        : `http://${redirect.host}:${port}${redirect.path}`
      const span = spanOf(yield* Clock.currentTimeMillis, lifetime)
      const { login, url } = yield* beginAt(started, secrets, redirectUri, span)
      yield* pending.put(request, login)
      return { _tag: "Paste", url, expiresAt: span.expiresAt } satisfies Invitation
    }).pipe(Effect.withSpan("lockstep.login.begin", attributes(request)))

  const unfinished = (key: PendingKey, methods: ReadonlyArray<PendingLogin["method"]>) =>
    Effect.gen(function*() {
      const { tenant } = key
      const login = yield* pending.get(key)
      if (Option.isNone(login)) return yield* new LoginFailed({ tenant, reason: "NotPending" })
      if (hasExpired(login.value, yield* Clock.currentTimeMillis)) {
        return yield* new LoginFailed({ tenant, reason: "Expired" })
      }
      if (!methods.includes(login.value.method)) {
        const detail = login.value.method === "device"
          ? "a device login waits to be polled"
          : "a login waits for its code"
        return yield* new LoginFailed({ tenant, reason: "NotPending", detail })
      }
      const vendor = vendors.of(LoginTarget.recordOf(login.value))
      return { tenant, vendor, login: login.value } satisfies Attempt
    })

  /**
   * Spends an answer for an attempt that is still there, and drops the attempt, under the lock: the second caller with
   * the same answer finds it gone, and a server that sees a code twice revokes the login.
   */
  const once = <E>(key: PendingKey, { login, tenant }: Attempt, obtain: Effect.Effect<Credential, E>) =>
    Effect.gen(function*() {
      const now = yield* pending.get(key)
      if (!Option.exists(now, (one) => isSameAttempt(one, login))) {
        return yield* new LoginFailed({ tenant, reason: "NotPending" })
      }
      const credential = yield* obtain
      // What is left over is spent: it is dropped later, or ends by itself.
      yield* Effect.ignore(pending.remove(key, login))
      return credential
    })

  const dropIf =
    (key: PendingKey, { login }: Attempt, isEnd: (error: LoginFailed) => boolean) =>
    <A, E extends { readonly _tag: string }>(self: Effect.Effect<A, E | LoginFailed>) =>
      Effect.tapError(
        self,
        (error) =>
          error instanceof LoginFailed && isEnd(error) ? Effect.ignore(pending.remove(key, login)) : Effect.void
      )

  const complete: Login["Type"]["complete"] = (key, answer, options) =>
    Effect.gen(function*() {
      const attempt = yield* unfinished(key, ["code", "key"])
      const response = AuthorizationResponse.fromPaste(answer)
      if (Option.isNone(response)) return yield* new LoginFailed({ tenant: key.tenant, reason: "CodeUnreadable" })
      const obtain = yield* dropIf(key, attempt, ({ reason }) => reason === "Denied")(
        forgettingOf(attempt)(prepare(yield* wire(key.tenant), attempt, response.value))
      )
      const method = attempt.login.method === "key" ? "key" : "paste"
      return yield* store(key, method, attempt, once(key, attempt, obtain), options?.replace)
    }).pipe(Effect.withSpan("lockstep.login.complete", { attributes: { tenant: key.tenant } }))

  const startDevice = (request: LoginRequest, lifetime: Option.Option<Duration.Duration>) =>
    Effect.gen(function*() {
      const started = yield* start(request, ["device"])
      const known = yield* clients.of(started, Option.none())
      const login = yield* clients.forgetting({
        tenant: request.tenant,
        issuer: started.target.issuer,
        clientId: Option.some(known.id)
      })(DeviceDriver.start(started.wire, started.target, known, lifetime))
      return { attempt: { tenant: request.tenant, vendor: request.vendor, login } satisfies Attempt, way: started.wire }
    })

  const device: Login["Type"]["device"] = (request, person) =>
    Effect.scoped(Effect.gen(function*() {
      const { attempt, way } = yield* startDevice(request, request.timeout)
      yield* Effect.forkScoped(person.invite(DeviceDriver.invitationOf(attempt.login)))
      return yield* DevicePolling.untilGranted(
        attempt,
        Effect.flatMap(DeviceDriver.poll(way, attempt), (obtain) => store(request, "device", attempt, obtain))
      )
    })).pipe(Effect.withSpan("lockstep.login.device", attributes(request)))

  const beginDevice: Login["Type"]["beginDevice"] = (request) =>
    Effect.gen(function*() {
      const lifetime = Duration.min(Option.getOrElse(request.timeout, () => LIFETIME), LIFETIME)
      const { attempt } = yield* startDevice(request, Option.some(lifetime))
      yield* pending.put(request, attempt.login)
      return DeviceDriver.invitationOf(attempt.login)
    }).pipe(Effect.withSpan("lockstep.login.device.begin", attributes(request)))

  const poll: Login["Type"]["poll"] = (key, options) =>
    Effect.gen(function*() {
      const attempt = yield* unfinished(key, ["device"])
      const obtain = yield* DeviceDriver.poll(yield* wire(key.tenant), attempt)
      return yield* store(key, "device", attempt, once(key, attempt, obtain), options?.replace).pipe(
        Effect.catchTag("NotYet", DevicePolling.notYet(attempt)),
        dropIf(key, attempt, ({ reason }) => reason === "Denied" || reason === "Expired")
      )
    }).pipe(Effect.withSpan("lockstep.login.device.poll", { attributes: { tenant: key.tenant } }))

  const client: Login["Type"]["client"] = (request) =>
    Effect.gen(function*() {
      const started = yield* start(request, ["client"])
      const known = yield* clients.of(started, Option.none())
      const login = PendingLogin.make(LoginTarget.attemptOf(started.target, Option.some(known)))
      const attempt: Attempt = { tenant: request.tenant, vendor: request.vendor, login }
      const obtain = yield* LoginGrant.prepareClient(started.wire, attempt, request)
      return yield* store(request, "client", attempt, obtain)
    }).pipe(Effect.withSpan("lockstep.login.client", attributes(request)))

  const cancel: Login["Type"]["cancel"] = (key) =>
    Effect.gen(function*() {
      const login = yield* pending.get(key)
      const dropped = yield* pending.remove(key)
      if (Option.isSome(login)) {
        const { clientId, issuer } = login.value
        yield* clients.dropUnproven({ tenant: key.tenant, issuer, clientId })
      }
      return dropped
    })

  return Login.of({ browser, begin, complete, device, client, beginDevice, poll, cancel })
})

/**
 * Logs people in to the vendors of a registry.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Login, never, Requirements> = Layer.effect(Login, make)
