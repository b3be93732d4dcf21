/**
 * What is settled before a login sends anything that counts: the way to log in, the vendor's terms, whether a live login
 * would be replaced, and then the target.
 *
 * @since 0.1.0
 */
import { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import type { Credential, Stored } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody, type Evidence } from "@lockstep/core/Custody"
import { CredentialExists, type CredentialStoreError, ProviderUnavailable } from "@lockstep/core/Errors"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import * as Host from "@lockstep/core/Host"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as Verdict from "@lockstep/core/Verdict"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ClientIds from "./ClientIds.js"
import * as ClientSecrets from "./ClientSecrets.js"
import * as Discovery from "./Discovery.js"
import type { LoginRequest } from "./Login.js"
import type * as LoginClient from "./LoginClient.js"
import type { LoginError } from "./LoginError.js"
import { LoginUnavailable } from "./LoginError.js"
import type { Wire } from "./LoginGrant.js"
import * as LoginTarget from "./LoginTarget.js"
import { generic, type LoginMethod, type OAuthVendor } from "./OAuthVendor.js"
import { RoundTripper } from "./RoundTripper.js"
import { VendorSettings } from "./VendorSettings.js"

/**
 * A login that may begin.
 *
 * @since 0.1.0
 * @category models
 */
export interface StartedLogin {
  readonly method: LoginMethod
  readonly target: LoginTarget.LoginTarget
  readonly wire: Wire
  /** The record that it would replace, and when it was read: milliseconds since the epoch. */
  readonly before: Pick<LoginClient.Sources, "present" | "now">
}

/**
 * Begins logins.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoginStart {
  /** Begins by the first of these methods that the vendor has. */
  readonly start: (
    request: LoginRequest,
    methods: ReadonlyArray<LoginMethod>
  ) => Effect.Effect<StartedLogin, LoginError>
  /** Loads the way out to the network. */
  readonly wire: (tenant: TenantId) => Effect.Effect<Wire, ProviderUnavailable>
}

/** Any server may offer grants without a person; no vendor's login is one. */
const isOffered = ({ vendor }: LoginRequest, method: LoginMethod): boolean =>
  method === "client" ? vendor.strict || vendor.id === generic.id : vendor.methods.includes(method)

const checkMethod = (
  request: LoginRequest,
  methods: ReadonlyArray<LoginMethod>
): Effect.Effect<LoginMethod, LoginUnavailable> =>
  Option.match(Option.fromNullable(methods.find((method) => isOffered(request, method))), {
    onNone: () => LoginTarget.notOffered(request, `${request.vendor.name} has no login by ${methods.join(" or ")}`),
    onSome: Effect.succeed
  })

const termsNotAccepted = (tenant: TenantId, { terms }: OAuthVendor) =>
  new LoginUnavailable({
    tenant,
    reason: "TermsNotAccepted",
    message: `the risk of this login is not accepted: ${
      Option.match(terms, { onNone: () => "", onSome: ({ note }) => note })
    }`,
    advice: `use ${
      Option.match(terms, { onNone: () => "an API key", onSome: ({ alternative }) => alternative })
    }; or accept the risk once for ${tenant} with --accept-terms`
  })

/**
 * Makes the beginning of logins.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  LoginStart,
  never,
  | RoundTripper
  | VendorSettings
  | CredentialStore
  | ClientRegistrations
  | Custody
  | RefreshPolicy
  | Host.Host
  | TokenEndpoint
> = Effect.gen(function*() {
  const network = yield* RoundTripper
  const settings = yield* VendorSettings
  const store = yield* CredentialStore
  const registrations = yield* ClientRegistrations
  const custody = yield* Custody
  const policy = yield* RefreshPolicy
  const host = yield* Host.Host
  const endpoint = yield* TokenEndpoint
  const discovery = yield* Discovery.make
  const clientIds = yield* ClientIds.make
  const clientSecrets = yield* ClientSecrets.make

  const wire: LoginStart["wire"] = (tenant) =>
    Effect.mapBoth(network.load, {
      onFailure: ({ detail }) => new ProviderUnavailable({ tenant, reason: "Transport", retryAfter: 1_000, detail }),
      onSuccess: (roundTripper) => ({
        roundTripper,
        discovery,
        clientIds,
        clientSecrets,
        endpoint,
        timeout: policy.providerTimeout
      })
    })

  /** What the locked read will decide on, as far as a look without a lock tells. */
  const evidenceOf = (tenant: TenantId, stored: Stored, now: number): Effect.Effect<Evidence, CredentialStoreError> =>
    Effect.catchIf(
      custody.read(tenant),
      // A new login is what replaces a damaged journal.
      (error) => error.reason === "Decode",
      () =>
        Effect.succeed({
          stored: Option.some(stored),
          journal: RefreshJournal.empty(tenant),
          kept: Option.none(),
          senderMayLive: false,
          now
        })
    )

  const questionOf = (tenant: TenantId, evidence: Evidence): Omit<Verdict.Question, "demand"> => ({
    evidence,
    policy,
    fingerprint: (credential) => Fingerprint.ofCredential(host, credential),
    traits: (credential) => endpoint.traits(tenant, credential)
  })

  /** A client that a refresh found to be registered no more is not tried again. What cannot be noted is found out anew. */
  const dropEnded = (tenant: TenantId, { credential }: Stored, evidence: Evidence) =>
    Effect.gen(function*() {
      const next = Verdict.ofRefresh(questionOf(tenant, evidence))
      if (next._tag !== "Login" || next.reason !== "RegistrationExpired") return
      const named = Option.all([credential.issuer, credential.clientId])
      if (Option.isSome(named)) yield* registrations.end(...named.value)
    }).pipe(Effect.ignore)

  /** The question that the locked read decides, asked before a person is troubled. */
  const checkPresent = (
    { replace, tenant }: LoginRequest,
    { credential: { account } }: Stored,
    evidence: Evidence
  ): Effect.Effect<void, CredentialExists> =>
    replace || !Verdict.isAlive(questionOf(tenant, evidence))
      ? Effect.void
      : new CredentialExists({
        tenant,
        account: Option.flatMap(account, ({ id, label }) => Option.orElse(label, () => id))
      })

  const start: LoginStart["start"] = (request, methods) =>
    Effect.gen(function*() {
      const { tenant, vendor } = request
      const now = yield* Clock.currentTimeMillis
      const method = yield* checkMethod(request, methods)
      const isReserved = Option.exists(vendor.terms, ({ reserved }) => reserved)
      if (isReserved && !(yield* settings.hasAcceptedTerms(tenant, vendor.id))) {
        return yield* termsNotAccepted(tenant, vendor)
      }
      const stored = yield* store.get(tenant)
      if (Option.isSome(stored)) {
        const evidence = yield* evidenceOf(tenant, stored.value, now)
        yield* checkPresent(request, stored.value, evidence)
        yield* dropEnded(tenant, stored.value, evidence)
      }
      const present: Option.Option<Credential> = Option.map(stored, ({ credential }) => credential)
      const way = yield* wire(tenant)
      const target = yield* LoginTarget.resolve(request, method, { ...way, registrations, present, now })
      return { method, target, wire: way, before: { present, now } }
    })

  return { start, wire }
})
