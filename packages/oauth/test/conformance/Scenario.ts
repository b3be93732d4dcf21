import { assert } from "@effect/vitest"
import type { Credential } from "@lockstep/core/Credential"
import { LOCAL_USER } from "@lockstep/core/PendingLogins"
import * as TenantId from "@lockstep/core/TenantId"
import type { Callback } from "@lockstep/oauth/Callback"
import type { LoginRequest } from "@lockstep/oauth/Login"
import type { OAuthVendor } from "@lockstep/oauth/OAuthVendor"
import type { Options as EmulatorOptions, VendorEmulator } from "@lockstep/testkit/vendors/VendorEmulator"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stage from "./Stage.js"
import * as VirtualClock from "./VirtualClock.js"

/**
 * Something that must come true with this vendor. Fails in any way where it does not.
 */
export interface Scenario {
  readonly name: string
  /** Fields of a descriptor that it looks at closely. */
  readonly about?: ReadonlyArray<keyof OAuthVendor>
  /** Variables beside those that the vendor always needs here. */
  readonly environment?: Readonly<Record<string, string>>
  readonly emulator?: EmulatorOptions
  /** In place of a port in memory. */
  readonly callback?: Layer.Layer<Callback>
  readonly run: (stage: Stage.Stage) => Effect.Effect<void, unknown>
}

/** In place of a client id that the server makes up. */
export const REGISTERED = "registered"

/**
 * What a login with this vendor stores. Literal, and not derived from the descriptor.
 */
export interface Facts {
  readonly tenant: TenantId.TenantId
  /** The member `vendor` of a record. */
  readonly vendor: string | null
  readonly issuer: string | null
  /** {@link REGISTERED} where the login registers one. */
  readonly clientId: string | null
  readonly account: { readonly id: string; readonly label: string | null } | null
  /** Of an access token, in seconds; `null` where it is not told. */
  readonly lifetime: number | null
  /** Of the login, in seconds. */
  readonly loginLifetime: number | null
  readonly refreshToken: "Rotates" | "Stays" | "None"
  readonly scope: string | null
  /** Where the person of a device login goes; `complete` is what the user code is appended to. */
  readonly devicePage?: { readonly address: string; readonly complete: string | null }
  readonly request: Partial<LoginRequest>
}

/**
 * One vendor's suite.
 */
export interface Conformance {
  readonly vendor: OAuthVendor
  readonly facts: Facts
  readonly emulator: (options?: EmulatorOptions) => Effect.Effect<VendorEmulator, never, Scope.Scope>
  /** Variables that every scenario needs. */
  readonly environment: Readonly<Record<string, string>>
  readonly scenarios: ReadonlyArray<Scenario>
  /** Changes of the descriptor that no request and no answer shows, and why. By mutant name. */
  readonly unobservable: Readonly<Record<string, string>>
}

/** An hour at which nothing happened, and of which whole seconds are whole. */
const START = 1_800_000_000_000

/** Every program says what it is, whatever the client is that it uses. */
const checkUserAgents = ({ emulator, vendor }: Stage.Stage): void => {
  const names = emulator.requests.filter(({ method }) => method === "POST").map(({ headers }) => headers["user-agent"])
  const own = vendor.id === "copilot" ? "GitHubCopilotChat/0.35.0" : "lockstep"
  assert.deepStrictEqual(names.filter((name) => name !== own), [])
}

/**
 * Plays one scenario with a descriptor: the vendor's own, or a mutant of it. Dies where something does not come true,
 * where the emulator was sent what no client sends, where a port stays open, and where it hangs for as long as `patience`,
 * in real time: nothing is waited for outside of this process.
 */
export const play = (
  conformance: Conformance,
  scenario: Scenario,
  vendor: OAuthVendor,
  patience: Duration.DurationInput
): Effect.Effect<void> => {
  const clock = VirtualClock.make(START)
  return Effect.gen(function*() {
    const stage = yield* Stage.make({
      vendor,
      emulator: conformance.emulator(scenario.emulator),
      environment: { ...conformance.environment, ...scenario.environment },
      callback: Option.fromNullable(scenario.callback),
      clock
    })
    yield* stage.settings.acceptTerms(TenantId.make(conformance.vendor.id), conformance.vendor.id)
    yield* Effect.orDie(scenario.run(stage))
    assert.deepStrictEqual(stage.emulator.violations, [])
    assert.strictEqual(stage.port.open(), 0, "open ports")
    checkUserAgents(stage)
  }).pipe(
    Effect.scoped,
    Effect.withClock(clock.clock),
    Effect.orDie,
    Effect.disconnect,
    Effect.timeoutFail({ duration: patience, onTimeout: () => "hangs" }),
    Effect.orDie
  )
}

/**
 * What is wanted of a login, as a command would say it.
 */
export const request = (stage: Stage.Stage, facts: Facts, overrides: Partial<LoginRequest> = {}): LoginRequest => ({
  tenant: facts.tenant,
  user: LOCAL_USER,
  vendor: stage.vendor,
  issuer: Option.none(),
  clientId: Option.none(),
  clientSecret: Option.none(),
  scopes: [],
  resource: Option.none(),
  replace: false,
  port: Option.none(),
  timeout: Option.none(),
  ...facts.request,
  ...overrides
})

/**
 * The record of the tenant.
 */
export const stored = (stage: Stage.Stage, facts: Facts): Effect.Effect<Credential> =>
  Effect.map(Effect.orDie(stage.store.get(facts.tenant)), (found) => Option.getOrThrow(found).credential)

/**
 * The plain value of a token, or `null`.
 */
export const plain = (token: Option.Option<Redacted.Redacted>): string | null =>
  Option.getOrNull(Option.map(token, Redacted.value))

/** Whole seconds. */
export const seconds = (stage: Stage.Stage): number => Math.floor(stage.clock.now() / 1_000)

/**
 * Checks all that a record says beside its tokens, and that these are good.
 */
export const checkRecord = (
  stage: Stage.Stage,
  facts: Facts,
  expected: { readonly loggedInAt: number; readonly clientId?: string; readonly issuer?: string; readonly now?: number }
): Effect.Effect<Credential> =>
  Effect.map(stored(stage, facts), (record) => {
    const now = expected.now ?? seconds(stage)
    assert.deepStrictEqual(
      {
        vendor: Option.getOrNull(record.vendor),
        issuer: Option.getOrNull(record.issuer),
        clientId: facts.clientId === REGISTERED ? REGISTERED : Option.getOrNull(record.clientId),
        account: Option.getOrNull(
          Option.map(record.account, ({ id, label }) => ({ id: Option.getOrNull(id), label: Option.getOrNull(label) }))
        ),
        scope: Option.getOrNull(record.scope),
        expiresAt: Option.getOrNull(record.expiresAt),
        loginExpiresAt: Option.getOrNull(record.loginExpiresAt)
      },
      {
        vendor: facts.vendor,
        issuer: expected.issuer ?? facts.issuer,
        clientId: expected.clientId ?? facts.clientId,
        account: facts.account,
        scope: facts.scope,
        expiresAt: facts.lifetime === null ? null : now + facts.lifetime,
        loginExpiresAt: facts.loginLifetime === null ? null : expected.loggedInAt + facts.loginLifetime
      }
    )
    assert.isTrue(stage.emulator.isLive(plain(record.accessToken) ?? ""), "the access token is good")
    if (facts.refreshToken === "None") assert.isNull(plain(record.refreshToken))
    else assert.isTrue(stage.emulator.isLive(plain(record.refreshToken) ?? ""), "the refresh token is good")
    return record
  })

/**
 * How a failure is told: by tag and reason.
 */
export const failure = (error: unknown): string => {
  if (typeof error !== "object" || error === null || !("_tag" in error)) return "no typed error"
  return "reason" in error ? `${String(error._tag)} ${String(error.reason)}` : String(error._tag)
}

/**
 * Expects an effect to fail in this way.
 */
export const fails = <A>(effect: Effect.Effect<A, unknown>, expected: string): Effect.Effect<void> =>
  Effect.matchEffect(effect, {
    onFailure: (error) => Effect.sync(() => assert.strictEqual(failure(error), expected)),
    onSuccess: () => Effect.sync(() => assert.fail(`succeeded, and should have failed with ${expected}`))
  })
