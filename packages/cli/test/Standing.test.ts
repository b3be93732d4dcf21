import { assert, describe, it } from "@effect/vitest"
import type { AccessToken } from "@lockstep/core/AccessToken"
import * as Credential from "@lockstep/core/Credential"
import * as CredentialLock from "@lockstep/core/CredentialLock"
import * as CredentialStore from "@lockstep/core/CredentialStore"
import { ProviderUnavailable, type RefreshError } from "@lockstep/core/Errors"
import * as Host from "@lockstep/core/Host"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { RevokeAnswer, TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as CredentialSources from "@lockstep/oauth/CredentialSources"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Standing } from "../src/Standing.js"
import * as Survey from "../src/Survey.js"
import * as FixedClock from "./support/FixedClock.js"

const NOW = 1_800_000_000_000
const tenant = TenantId.make("codex")
const by = Host.ProcessIdentity.make({ pid: 1, startTime: "0", bootId: "b", command: "test" })

/** Everything that a holder of the lock may have left behind. */
const leftovers = FastCheck.record({
  hasRefreshToken: FastCheck.boolean(),
  loginLeft: FastCheck.constantFrom(undefined, -1, 600),
  registrationLeft: FastCheck.constantFrom(undefined, -1, 600),
  lastRedeem: FastCheck.constantFrom(undefined, "one", "two"),
  rotates: FastCheck.boolean(),
  intent: FastCheck.option(
    FastCheck.record({
      attempt: FastCheck.constantFrom("one", "two"),
      ours: FastCheck.boolean(),
      state: FastCheck.constantFrom("sending" as const, "consumed" as const),
      sends: FastCheck.integer({ min: 0, max: 2 })
    }),
    { nil: undefined }
  ),
  kept: FastCheck.option(
    FastCheck.record({
      attempt: FastCheck.constantFrom("one", "two"),
      ours: FastCheck.boolean()
    }),
    { nil: undefined }
  ),
  retired: FastCheck.boolean(),
  mark: FastCheck.constantFrom(undefined, "ours", "other"),
  rest: FastCheck.constantFrom(undefined, "ours", "other", "over"),
  cooldown: FastCheck.constantFrom(undefined, "running", "over", "future")
})

type Leftovers = typeof leftovers extends FastCheck.Arbitrary<infer A> ? A : never

const some = <A>(value: A | undefined): Option.Option<A> => Option.fromNullable(value)

const compare = (from: Leftovers) =>
  Effect.gen(function*() {
    const host = yield* Host.Host
    const token = Redacted.make("lockstep-rt-Standing")
    const fingerprint = (ours: boolean) => ours ? Host.fingerprint(host, token) : "another"
    const store = yield* CredentialStore.CredentialStore
    const journal = yield* RefreshJournal.RefreshJournal
    const absent = Option.none()
    yield* store.modify(tenant, () =>
      CredentialStore.Change.Put({
        credential: Credential.Credential.make({
          vendor: absent,
          issuer: absent,
          tokenEndpoint: absent,
          revocationEndpoint: absent,
          clientId: absent,
          clientSecret: absent,
          accessToken: Option.some(Redacted.make("lockstep-at-Standing")),
          refreshToken: from.hasRefreshToken ? Option.some(token) : absent,
          idToken: absent,
          tokenType: absent,
          scope: absent,
          resource: absent,
          expiresAt: Option.some(NOW / 1000 - 60),
          obtainedAt: Option.some(NOW / 1000 - 7200),
          clientSecretExpiresAt: some(
            from.registrationLeft === undefined ? undefined : NOW / 1000 + from.registrationLeft
          ),
          loginExpiresAt: some(from.loginLeft === undefined ? undefined : NOW / 1000 + from.loginLeft),
          account: absent,
          generation: 1,
          lastRedeem: some(from.lastRedeem)
        }),
        value: () => undefined
      }))
    yield* journal.write(
      tenant,
      RefreshJournal.JournalRecord.make({
        ...RefreshJournal.empty(tenant),
        intent: some(
          from.intent && RefreshJournal.Intent.make({
            attempt: from.intent.attempt,
            version: "1",
            fingerprint: fingerprint(from.intent.ours),
            state: from.intent.state,
            sends: from.intent.sends,
            ambiguous: false,
            at: NOW - 60_000,
            endedAt: Option.some(NOW - 60_000),
            by
          })
        ),
        retired: from.retired
          ? [RefreshJournal.Retired.make({ fingerprint: fingerprint(true), generation: 2, at: NOW })]
          : [],
        mark: some(
          from.mark === undefined ? undefined : RefreshJournal.Mark.make({
            fingerprint: fingerprint(from.mark === "ours"),
            reason: "InvalidGrant",
            detail: absent,
            at: NOW
          })
        ),
        rest: some(
          from.rest === undefined ? undefined : RefreshJournal.Rest.make({
            fingerprint: fingerprint(from.rest !== "other"),
            setAt: NOW - 10_000,
            until: from.rest === "over" ? NOW - 1 : NOW + 10_000
          })
        ),
        cooldown: some(
          from.cooldown === undefined ? undefined : RefreshJournal.Cooldown.make({
            setAt: from.cooldown === "future" ? NOW + 5_000 : NOW - 5_000,
            until: from.cooldown === "over" ? NOW : NOW + 20_000,
            source: "backoff",
            failures: 1
          })
        )
      })
    )
    if (from.kept !== undefined) {
      yield* journal.keepAnswer(
        tenant,
        RefreshJournal.CapturedAnswer.make({
          // Room is reserved before an intent is written: an answer beside an intent is that attempt's.
          attempt: from.intent?.attempt ?? from.kept.attempt,
          fingerprint: fingerprint(from.kept.ours),
          obtainedAt: NOW / 1000 - 1,
          grant: TokenGrant.make({
            accessToken: Redacted.make("lockstep-at-kept"),
            refreshToken: Option.some(Redacted.make("lockstep-rt-kept")),
            idToken: absent,
            tokenType: absent,
            scope: absent,
            expiresAt: Option.some(NOW / 1000 + 3600),
            loginExpiresAt: absent,
            account: absent
          })
        })
      )
    }
    const { standing } = yield* Survey.one(tenant)
    const coordinator = yield* RefreshCoordinator.RefreshCoordinator
    const answer = yield* Effect.either(coordinator.accessToken(tenant))
    return { standing, answer }
  })

/** A server that is about to be asked: that far a refresh came. */
const reached = new ProviderUnavailable({ tenant, reason: "Transport", retryAfter: 0 })

const layer = (rotates: boolean) =>
  RefreshCoordinator.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(
      Layer.provide(CredentialSources.layer, VendorRegistry.layerBuiltIn),
      CredentialStore.layerMemory,
      CredentialLock.layerMemory,
      RefreshJournal.layerMemory,
      Host.layerMemory,
      RefreshPolicy.layerDefaults,
      Layer.succeed(TokenEndpoint, {
        traits: () => ({ rotates, margin: Option.none(), rotationGroup: Option.none() }),
        prepare: () => Effect.fail(reached),
        revoke: () => Effect.succeed(RevokeAnswer.Unsupported())
      })
    ))
  )

const told = (answer: Either.Either<AccessToken, RefreshError>): string =>
  Either.match(answer, {
    onRight: () => "goes on",
    onLeft: (error) =>
      error._tag === "ProviderUnavailable" && error.reason === "Transport"
        ? "goes on"
        : "reason" in error
        ? error.reason
        : error._tag
  })

const foretold = ({ obstacle }: Standing): string =>
  Option.match(obstacle, { onNone: () => "goes on", onSome: (one) => one._tag === "Login" ? one.reason : one._tag })

describe("Standing", () => {
  it("foretells what a refresh of an expired token will run into", () =>
    FastCheck.assert(
      FastCheck.asyncProperty(leftovers, async (from) => {
        const { answer, standing } = await Effect.runPromise(
          compare(from).pipe(Effect.provide(layer(from.rotates)), Effect.withClock(FixedClock.make(NOW)))
        )
        assert.strictEqual(foretold(standing), told(answer))
      }),
      { numRuns: 500 }
    ))
})
