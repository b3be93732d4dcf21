/**
 * A client that registers itself: RFC 7591, and AWS SSO OIDC in its own words.
 *
 * @since 0.1.0
 */
import { ProviderUnavailable } from "@lockstep/core/Errors"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AnswerDecoder from "./AnswerDecoder.js"
import * as EndpointUrl from "./EndpointUrl.js"
import * as JsonObject from "./JsonObject.js"
import type { LoginClient } from "./LoginClient.js"
import type { LoginError } from "./LoginError.js"
import { LoginUnavailable } from "./LoginError.js"
import type { Wire } from "./LoginGrant.js"
import * as LoginGrant from "./LoginGrant.js"
import type { LoginTarget } from "./LoginTarget.js"
import * as RetryAfter from "./RetryAfter.js"
import * as Spelling from "./Spelling.js"
import type { WireAnswer } from "./WireExchange.js"
import * as WireExchange from "./WireExchange.js"
import { WireRequest } from "./WireRequest.js"

const NAME = "Lockstep"
const DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
const PAUSE = 1_000

/** A native client keeps no secret from its user; one is taken only from a server that insists. */
const authMethod = ({ metadata }: LoginTarget): string => {
  const supported = Option.getOrElse(
    Option.flatMapNullable(metadata, (found) => found.token_endpoint_auth_methods_supported),
    (): ReadonlyArray<string> => ["none"]
  )
  return ["none", "client_secret_basic", "client_secret_post"].find((method) => supported.includes(method)) ?? "none"
}

const isAws = ({ request: { vendor } }: LoginTarget): boolean => vendor.spelling === "camelCase"

/** The method of a client with a secret, where the server did not say how the secret is shown. */
const fallbackMethod = (target: LoginTarget): string => {
  const method = authMethod(target)
  return method === "none" ? "client_secret_basic" : method
}

/** What one registration is made with. */
interface Wanted {
  readonly redirectUri: Option.Option<string>
  readonly scope: Option.Option<string>
}

const native = (target: LoginTarget, { redirectUri, scope }: Wanted): JsonObject.JsonObject => ({
  client_name: target.request.clientName ?? NAME,
  application_type: "native",
  ...Option.match(redirectUri, { onNone: () => ({}), onSome: (uri) => ({ redirect_uris: [uri] }) }),
  response_types: Option.isSome(redirectUri) ? ["code"] : [],
  grant_types: [
    ...Option.isSome(redirectUri) ? ["authorization_code"] : [],
    "refresh_token",
    ...Option.isSome(target.endpoints.deviceAuthorizationEndpoint) ? [DEVICE] : []
  ],
  token_endpoint_auth_method: authMethod(target),
  // A server that is told none may bind the client to its default ones, and refuse what is asked for later.
  ...Option.match(scope, { onNone: () => ({}), onSome: (words) => ({ scope: words }) })
})

/** `RegisterClient` of AWS SSO OIDC, as read in aws/amazon-q-developer-cli `crates/chat-cli/src/auth/builder_id.rs`. */
const aws = ({ request, scope }: LoginTarget): JsonObject.JsonObject => ({
  client_name: request.clientName ?? NAME,
  client_type: "public",
  scopes: Option.match(scope, { onNone: () => [], onSome: (words) => words.split(" ") })
})

/** Some servers say `none`, give a secret, and refuse every request without it: their metadata knows no `none`. */
const namedMethod = (answer: JsonObject.JsonObject, { metadata }: LoginTarget, hasSecret: boolean) =>
  Option.filter(
    JsonObject.text(answer, "token_endpoint_auth_method"),
    (method) =>
      method !== "none" || !hasSecret ||
      !Option.exists(
        metadata,
        ({ token_endpoint_auth_methods_supported: supported }) =>
          Array.isArray(supported) && !supported.includes("none")
      )
  )

const clientIn = (
  answer: JsonObject.JsonObject,
  target: LoginTarget,
  { redirectUri, scope }: Wanted
): Option.Option<LoginClient> =>
  Option.map(JsonObject.text(answer, "client_id"), (id) => {
    const secret = Option.map(JsonObject.text(answer, "client_secret"), (text) => Redacted.make(text))
    return {
      id,
      secret,
      // RFC 7591 section 3.2.1: 0 is never.
      secretExpiresAt: Option.filter(
        Option.zipRight(secret, JsonObject.number(answer, "client_secret_expires_at")),
        (end) => end > 0
      ),
      authMethod: isAws(target) ? Option.none() : Option.orElse(
        namedMethod(answer, target, Option.isSome(secret)),
        () => Option.some(Option.isSome(secret) ? fallbackMethod(target) : "none")
      ),
      scope: isAws(target) ? Option.none() : scope,
      redirect: { _tag: "Registered" as const, uri: redirectUri }
    }
  })

const refused = (target: LoginTarget, answer: WireAnswer, now: number): LoginError => {
  const { tenant } = target.request
  const detail = AnswerDecoder.describe(answer, [])
  if (answer.status === 429 || answer.status >= 500) {
    return new ProviderUnavailable({
      tenant,
      reason: answer.status === 429 ? "RateLimited" : "ServerError",
      retryAfter: Option.getOrElse(RetryAfter.millis(answer, now), () => PAUSE),
      detail
    })
  }
  return new LoginUnavailable({
    tenant,
    reason: "ClientIdMissing",
    message: `the authorization server of ${tenant} registers no client for us (${detail})`,
    advice: "register a native application with the server and name it with --client-id"
  })
}

const isSuccess = ({ status }: WireAnswer): boolean => status >= 200 && status <= 299

/** RFC 7591 section 3.2.2, as far as it can be about the scope: a server need not know scopes here. */
const isAboutScope = (answer: WireAnswer): boolean =>
  answer.status === 400 &&
  /invalid_(?:client_metadata|scope|request)|scope/.test(AnswerDecoder.describe(answer, []))

/**
 * Registers a client for this login. `redirectUri` is `None` where the login needs none; `scope` is what it will ask for,
 * and what the other logins that share the client asked for.
 *
 * @since 0.1.0
 * @category combinators
 */
export const register = (
  wire: Wire,
  target: LoginTarget,
  wanted: Wanted
): Effect.Effect<LoginClient, LoginError> =>
  Effect.gen(function*() {
    const { tenant, vendor } = target.request
    const url = yield* Effect.mapError(
      EndpointUrl.published(
        Option.getOrElse(target.endpoints.registrationEndpoint, () => ""),
        "the registration endpoint",
        target.issuer
      ),
      (message) =>
        new LoginUnavailable({ tenant, reason: "BadAddress", message, advice: "name a client with --client-id" })
    )
    const ask = (one: Wanted) =>
      Effect.gen(function*() {
        const request = new WireRequest({
          url: url.href,
          method: "POST",
          headers: Redacted.make({
            ...vendor.headers,
            "accept": "application/json",
            "content-type": "application/json"
          }),
          body: Redacted.make(
            JSON.stringify(isAws(target) ? Spelling.toWire(vendor.spelling, aws(target)) : native(target, one))
          )
        })
        const exchange = yield* LoginGrant.send(wire, tenant, request)
        if (exchange._tag !== "Answered") return yield* WireExchange.unreached(tenant, exchange)
        return { answer: exchange.answer, wanted: one }
      })
    const first = yield* ask(wanted)
    const isRefusedForScope = !isAws(target) && Option.isSome(wanted.scope) && isAboutScope(first.answer)
    const last = isRefusedForScope ? yield* ask({ ...wanted, scope: Option.none() }) : first
    const client = isSuccess(last.answer)
      ? clientIn(LoginGrant.membersOf(vendor, last.answer), target, last.wanted)
      : Option.none()
    return Option.isSome(client) ? client.value : yield* refused(target, last.answer, yield* Clock.currentTimeMillis)
  }).pipe(Effect.withSpan("lockstep.login.register", {
    attributes: { tenant: target.request.tenant, vendor: target.request.vendor.id }
  }))
