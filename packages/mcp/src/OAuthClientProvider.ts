/**
 * Logins of the MCP TypeScript SDK, kept by Lockstep.
 *
 * The SDK refreshes by itself and deletes what a refused refresh was about: in two processes, the one that lost the race
 * deletes the winner's login. So it is shown access tokens and never a refresh token, which leaves it nothing to refresh
 * with; what it saves is a login that replaces the very one that its flow began with, or none; and what it declares
 * invalid is compared with what is stored, and deleted never (I4).
 *
 * @since 0.1.0
 */
import * as AccessToken from "@lockstep/core/AccessToken"
import type { Credential } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { CredentialWriter } from "@lockstep/core/CredentialWriter"
import { Custody } from "@lockstep/core/Custody"
import { ProviderRejected, type ReauthorizationRequired, type RefreshError } from "@lockstep/core/Errors"
import * as Host from "@lockstep/core/Host"
import * as Issuer from "@lockstep/core/Issuer"
import * as Lineage from "@lockstep/core/Lineage"
import { PendingLogins } from "@lockstep/core/PendingLogins"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as TokenSyntax from "@lockstep/core/TokenSyntax"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { AnswerRefused } from "./AnswerRefused.js"
import * as Flow from "./internal/flow.js"
import * as Promised from "./internal/promise.js"
import * as Resource from "./internal/resource.js"
import * as Scopes from "./internal/scopes.js"
import * as SdkLogin from "./internal/sdkLogin.js"
import { LoginRequired } from "./LoginRequired.js"
import { McpServerRejected, nameOf } from "./McpError.js"
import type {
  IssuerContext,
  OAuthClientInformation,
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  OAuthTokens
} from "./SdkTypes.js"
import { UnknownFlow } from "./UnknownFlow.js"

/**
 * Whose login it is, and how a person gets to a browser.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: TenantId
  /** The MCP server, as the transport is told it. */
  readonly serverUrl: string | URL
  /**
   * Sends a person to the browser. Where it is not given, no person is sent anywhere: the SDK's request fails with
   * `LoginRequired`, before a client is registered for nothing.
   */
  readonly redirectToAuthorization?: (authorizationUrl: URL) => void | Promise<void>
  /** Where the answer comes back to. Required together with `redirectToAuthorization`. */
  readonly redirectUrl?: string | URL
  /**
   * Names the flow, in place of a unique name: a person's id, say, where another process may be the one
   * that the answer comes back to. Two flows of one name get into each other's way.
   */
  readonly flow?: string
  /** A client that is known to the server already. `issuer` is the one that it is shown to; the first, where not said. */
  readonly client?: OAuthClientInformation
  /** Where this client describes itself (Client ID Metadata Document), for servers that read one. */
  readonly clientMetadataUrl?: string
  /** Said of this client when it registers, beside what is known anyway. */
  readonly clientMetadata?: Partial<OAuthClientMetadata>
  /**
   * What asks for fresh tokens: `tokens()` for a provider that is used alone, or the transport's `fetch`, which asks
   * before every request itself. Then `tokens()` only reads. `tokens`, where it is not said.
   */
  readonly refreshedBy?: "tokens" | "fetch"
}

/**
 * What the provider is backed by.
 *
 * @since 0.1.0
 * @category models
 */
export type Services =
  | RefreshCoordinator
  | CredentialStore
  | CredentialWriter
  | Custody
  | PendingLogins
  | TokenEndpoint
  | RefreshPolicy
  | Host.Host

/** What asking for a token can fail with: that there is no login is an answer, and no failure. */
type TokenError = Exclude<RefreshError, ReauthorizationRequired>

const NAME = "Lockstep"
// A flow that ends before a person is sent anywhere still has to name an address: without one the SDK takes the client
// for a machine, and asks for tokens without consent.
const NOWHERE = "http://127.0.0.1/callback"

const sameToken = (a: Redacted.Redacted, b: Redacted.Redacted): boolean => Redacted.value(a) === Redacted.value(b)

/**
 * Makes the provider of one flow.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<OAuthClientProvider, never, Services> =>
  Effect.gen(function*() {
    const coordinator = yield* RefreshCoordinator
    const store = yield* CredentialStore
    const custody = yield* Custody
    const host = yield* Host.Host
    const run = Promised.make(yield* Effect.runtime<never>())
    const pending = yield* PendingLogins
    const { serverUrl, tenant } = options
    const key = { tenant, user: options.flow ?? (yield* host.newId) }
    const flow = Flow.make({ host, pending }, key)
    const login = SdkLogin.make({
      writer: yield* CredentialWriter,
      endpoint: yield* TokenEndpoint,
      policy: yield* RefreshPolicy,
      host
    }, tenant)
    const invite = options.redirectToAuthorization
    const redirectUrl = String(options.redirectUrl ?? NOWHERE)

    /** The last access token that this flow was shown. */
    let shown: Option.Option<Redacted.Redacted> = Option.none()
    /** The one that was declared invalid while no newer one was stored: shown no more. */
    let refused: Option.Option<Redacted.Redacted> = Option.none()
    /** The client that was declared unknown. */
    let forgotten: string | undefined
    /** The client that the server was shown last. */
    let presented: string | undefined
    /** SDK 2 says which server a call is about, and checks by itself where an answer comes from. */
    let isChecking = false
    /** Whether an answer was checked here. */
    let isChecked = false

    const needsPerson = new LoginRequired({ tenant, serverUrl: nameOf(new URL(serverUrl)) })
    /** What leads to the browser ends here for a program that sends no person there. */
    const interactive = Effect.suspend(() => invite === undefined ? needsPerson : Effect.void)

    const stored: Effect.Effect<Option.Option<Credential>> = Effect.match(store.get(tenant), {
      onFailure: () => Option.none(),
      onSuccess: Option.map(({ credential }) => credential)
    })

    /** The login that the new one takes the place of. A damaged journal explains nothing, and keeps no person from it. */
    const present = Effect.map(
      Effect.catchIf(
        custody.read(tenant),
        (error) => error.reason === "Decode",
        () => Effect.map(store.get(tenant), (found) => ({ stored: found, journal: RefreshJournal.empty(tenant) }))
      ),
      ({ journal, stored }) => Option.map(stored, (one) => Lineage.of(host, one, journal))
    )

    const current: Effect.Effect<Option.Option<AccessToken.AccessToken>, TokenError> = Effect.gen(function*() {
      const token = yield* options.refreshedBy === "fetch"
        // What was read is good for a header that the transport replaces, and for the scopes that a step-up adds to.
        ? Effect.catchAll(
          Effect.asSome(coordinator.peek(tenant)),
          () => Effect.map(stored, Option.flatMap((one) => AccessToken.fromCredential(tenant, one)))
        )
        : Effect.catchTag(
          Effect.asSome(coordinator.accessToken(tenant)),
          "ReauthorizationRequired",
          () => Effect.succeedNone
        )
      return Option.filter(token, (one) => !Option.exists(refused, (bad) => sameToken(bad, one.token)))
    })

    const tokens = (context?: IssuerContext): Effect.Effect<OAuthTokens | undefined, TokenError> =>
      Effect.gen(function*() {
        const found = yield* current
        shown = Option.orElse(Option.map(found, (one) => one.token), () => shown)
        if (Option.isNone(found)) return undefined
        const { expiresAt, scope, token, tokenType } = found.value
        // The SDK puts both into a header field.
        const fault = TokenSyntax.faultOf(Redacted.value(token), tokenType)
        if (fault !== undefined) {
          const detail = `the ${fault} has characters that no header field can carry`
          return yield* new ProviderRejected({ tenant, reason: "Protocol", detail })
        }
        const now = yield* Clock.currentTimeMillis
        // Only where it is compared: a read of the store for every request would be wasted.
        const issuer = context === undefined
          ? Option.none()
          : Option.orElse(Option.flatMap(yield* stored, (one) => one.issuer), () => Option.some(context.issuer))
        return {
          access_token: Redacted.value(token),
          token_type: tokenType,
          ...Option.match(scope, { onNone: () => ({}), onSome: (words) => ({ scope: words }) }),
          ...Option.match(expiresAt, {
            onNone: () => ({}),
            onSome: (end) => ({ expires_in: Math.max(0, Math.floor(end - now / 1_000)) })
          }),
          ...Option.match(issuer, { onNone: () => ({}), onSome: (name) => ({ issuer: name }) })
        }
      })

    const clientInformation = (context?: IssuerContext) =>
      Effect.gen(function*() {
        const own = yield* flow.client(context)
        const client = Option.filter(
          Option.orElse(own, () => Option.fromNullable(options.client)),
          ({ client_id }) => client_id !== forgotten
        )
        presented = Option.getOrUndefined(client)?.client_id
        return client
      })

    /** What the SDK gives back because it lacks a stamp, or after another login was faster, is no login. */
    const isKnown = (token: Redacted.Redacted) =>
      Effect.map(stored, (credential) =>
        Option.exists(shown, (one) => sameToken(one, token)) ||
        Option.exists(Option.flatMap(credential, ({ accessToken }) => accessToken), (one) => sameToken(one, token)))

    const saveTokens = (brought: OAuthTokens, context?: IssuerContext) =>
      Effect.gen(function*() {
        if (yield* isKnown(Redacted.make(brought.access_token))) return
        yield* login({
          tokens: brought,
          attempt: yield* flow.kept,
          client: yield* clientInformation(context),
          issuer: Option.fromNullable(brought.issuer ?? context?.issuer)
        })
        refused = Option.none()
        yield* flow.forgetDiscovery
        // The login is stored. What is left of its attempt goes with the next write, at the latest.
        yield* Effect.ignoreLogged(flow.end)
      })

    // Compared with what is stored whenever tokens are asked for: another one is newer, by another process, and is
    // taken over.
    const invalidateTokens = Effect.sync(() => void (refused = shown))
    const invalidateClient = Effect.suspend(() => {
      if (presented === undefined) return Effect.void
      forgotten = presented
      return flow.forgetClient(presented)
    })

    const invalidate = (scope: Parameters<OAuthClientProvider["invalidateCredentials"]>[0]) => {
      switch (scope) {
        case "tokens":
          return invalidateTokens
        case "client":
          return invalidateClient
        case "verifier":
          return flow.end
        case "discovery":
          return flow.forgetDiscovery
        case "all":
          return Effect.all([invalidateTokens, invalidateClient, flow.end, flow.forgetDiscovery], { discard: true })
      }
    }

    const refuse = (reason: AnswerRefused["reason"]) => new AnswerRefused({ tenant, reason })

    const promisesIssuer = (found: Option.Option<OAuthDiscoveryState>): boolean =>
      Option.exists(
        found,
        ({ authorizationServerMetadata }) =>
          authorizationServerMetadata?.authorization_response_iss_parameter_supported === true
      )

    /** Before the answer costs anything: what it says is compared character by character (RFC 9207 section 2.4). */
    const codeOf = (answer: URL | URLSearchParams) =>
      Effect.gen(function*() {
        const params = answer instanceof URL ? answer.searchParams : answer
        const [state, issuer, code] = ["state", "iss", "code"].map((name) => params.get(name))
        if (!Option.contains(yield* flow.state, state)) return yield* refuse("State")
        const found = yield* flow.discovery
        if (issuer === null && promisesIssuer(found)) return yield* refuse("IssuerMissing")
        if (issuer !== null && !Option.exists(found, (one) => Flow.issuerOf(one) === issuer)) {
          return yield* refuse("IssuerMismatch")
        }
        if (code === null || code === undefined || code === "") return yield* refuse("Denied")
        isChecked = true
        return code
      })

    /** The last thing that the SDK asks before it sends a code. */
    const verifier = Effect.gen(function*() {
      if (!isChecking && !isChecked && promisesIssuer(yield* flow.discovery)) return yield* refuse("Unchecked")
      return yield* Effect.flatMap(
        flow.verifier,
        Option.match({ onNone: () => new UnknownFlow({ tenant, flow: key.user }), onSome: Effect.succeed })
      )
    })

    /** SDK 1 believes what a server says of itself; nothing was sent to it yet but the question. */
    const keepDiscovery = (state: OAuthDiscoveryState) =>
      Effect.suspend(() => {
        const named: unknown = state.authorizationServerMetadata?.issuer
        if (typeof named !== "string" || Issuer.isSame(named, state.authorizationServerUrl)) {
          return flow.keepDiscovery(state)
        }
        const server = nameOf(new URL(state.authorizationServerUrl))
        return new McpServerRejected({
          reason: "IssuerMismatch",
          server,
          message: `the metadata of ${server} is that of another authorization server`,
          advice: "check the address; if it is right, its operator has to correct the metadata"
        })
      })

    /**
     * The scopes of a login that is good for everything but this one request are asked for again (step-up): SDK 1 asks for
     * those of the challenge alone, and the person would lose the others.
     */
    const withGranted = (url: URL) =>
      Effect.map(current, (token) => {
        const granted = Option.flatMap(token, ({ scope }) => scope)
        if (Option.isNone(granted)) return url
        const wider = new URL(url)
        wider.searchParams.set("scope", Scopes.union(url.searchParams.get("scope") ?? "", granted.value))
        return wider
      })

    /** What the SDK says of a server marks its line. */
    const notice = (context: IssuerContext | undefined): void => void (isChecking ||= context !== undefined)

    const provider: OAuthClientProvider = {
      flow: key.user,
      redirectUrl,
      ...(options.clientMetadataUrl === undefined ? {} : { clientMetadataUrl: options.clientMetadataUrl }),
      clientMetadata: {
        client_name: NAME,
        application_type: "native",
        redirect_uris: [redirectUrl],
        response_types: ["code"],
        grant_types: ["authorization_code", "refresh_token"],
        token_endpoint_auth_method: "none",
        ...options.clientMetadata
      },
      state: () => run(flow.newState),
      isOwnState: (state) => run(Effect.map(flow.state, Option.contains(state))),
      codeOf: (answer) => run(codeOf(answer)),
      clientInformation: (context) => {
        notice(context)
        return run(Effect.map(Effect.zipRight(interactive, clientInformation(context)), Option.getOrUndefined))
      },
      saveClientInformation: (client, context) =>
        run(flow.keepClient({ ...client, issuer: client.issuer ?? context?.issuer })),
      tokens: (context) => run(tokens(context)),
      saveTokens: (brought, context) => run(saveTokens(brought, context)),
      saveCodeVerifier: (verifier) => run(flow.keepVerifier(verifier)),
      codeVerifier: () => run(verifier),
      redirectToAuthorization: async (asked) => {
        const url = await run(Effect.zipRight(
          interactive,
          Effect.gen(function*() {
            isChecked = false
            const url = yield* withGranted(asked)
            yield* flow.begin(url, yield* present, yield* clientInformation())
            return url
          })
        ))
        await invite?.(url)
      },
      validateResourceURL: (server, resource) =>
        run(Effect.suspend(() => {
          const url = new URL(server)
          const selected = Resource.select(url, resource)
          return selected === undefined
            ? new McpServerRejected({
              reason: "ResourceMismatch",
              server: nameOf(url),
              message: `the metadata of ${nameOf(url)} is that of another resource`,
              advice: "check the address; if it is right, its operator has to correct the metadata"
            })
            : Effect.succeed(selected)
        })),
      invalidateCredentials: (scope) => run(invalidate(scope)),
      saveDiscoveryState: (state) => run(keepDiscovery(state)),
      discoveryState: () => run(Effect.map(Effect.zipRight(interactive, flow.discovery), Option.getOrUndefined))
    }
    return provider
  })
