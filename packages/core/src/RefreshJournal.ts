/**
 * The durable sidecar of a tenant. It remembers what was sent and what came of it, and never holds a token; the
 * answer of a rotation, which does, lies beside it only between redeem and persist.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { CredentialStoreError } from "./Errors.js"
import { ProcessIdentity } from "./Host.js"
import type { TenantId } from "./TenantId.js"
import { TokenGrant } from "./TokenGrant.js"

const absent = { as: "Option", nullable: true } as const

/**
 * Written as the last act before a refresh token is sent. Times are milliseconds since the epoch.
 *
 * It counts while the stored record holds the refresh token that it names and its attempt did not write that record.
 *
 * @since 0.1.0
 * @category models
 */
export class Intent extends Schema.Class<Intent>("@lockstep/core/Intent")({
  attempt: Schema.String,
  version: Schema.String,
  fingerprint: Schema.String,
  /** `sending`: the token may be consumed. `consumed`: it is, and the answer is kept. */
  state: Schema.Literal("sending", "consumed"),
  /** Requests that were sent and of which no whole answer was read. The second spends the one retry. */
  sends: Schema.NonNegativeInt,
  /** An answered 5xx: it proves nothing, spends no retry, and is sent again after its cooldown. */
  ambiguous: Schema.Boolean,
  at: Schema.Number,
  /** When the connection of the last unanswered request is known to have ended. */
  endedAt: Schema.optionalWith(Schema.Number, absent).pipe(Schema.fromKey("ended_at")),
  by: ProcessIdentity
}) {}

/**
 * Every process waits until `until` before the token endpoint is asked again; void when the clock went back.
 *
 * @since 0.1.0
 * @category models
 */
export class Cooldown extends Schema.Class<Cooldown>("@lockstep/core/Cooldown")({
  setAt: Schema.propertySignature(Schema.Number).pipe(Schema.fromKey("set_at")),
  until: Schema.Number,
  /** `server`: it named the time (Retry-After). `backoff`: we did. */
  source: Schema.Literal("server", "backoff"),
  failures: Schema.Positive
}) {}

/**
 * "Needs login", for one refresh token: a record with another one is unmarked by nature.
 *
 * @since 0.1.0
 * @category models
 */
export class Mark extends Schema.Class<Mark>("@lockstep/core/Mark")({
  fingerprint: Schema.String,
  reason: Schema.Literal("InvalidGrant", "LoginExpired", "RegistrationExpired"),
  detail: Schema.optionalWith(Schema.String, absent),
  at: Schema.Number
}) {}

/**
 * A refresh that was refused while the access token was still valid: redemption rests until the token expires.
 *
 * @since 0.1.0
 * @category models
 */
export class Rest extends Schema.Class<Rest>("@lockstep/core/Rest")({
  fingerprint: Schema.String,
  setAt: Schema.propertySignature(Schema.Number).pipe(Schema.fromKey("set_at")),
  until: Schema.Number
}) {}

/**
 * A refresh token that was exchanged for a newer one. Presenting it again would be taken for theft.
 *
 * @since 0.1.0
 * @category models
 */
export class Retired extends Schema.Class<Retired>("@lockstep/core/Retired")({
  fingerprint: Schema.String,
  /** The generation that replaced it. */
  generation: Schema.NonNegativeInt,
  at: Schema.Number
}) {}

/**
 * One line of a tenant's lineage, for `status --history` and `doctor`.
 *
 * @since 0.1.0
 * @category models
 */
export class Outcome extends Schema.Class<Outcome>("@lockstep/core/Outcome")({
  at: Schema.Number,
  /** `granted`, `recovered`, a tag of a failure, `login`, `logout`, … */
  outcome: Schema.String,
  detail: Schema.optionalWith(Schema.String, absent),
  pid: Schema.Int,
  command: Schema.String,
  /** Fingerprint of the refresh token that was sent or replaced. */
  from: Schema.optionalWith(Schema.String, absent),
  /** Fingerprint of the refresh token that took its place. */
  to: Schema.optionalWith(Schema.String, absent),
  generation: Schema.NonNegativeInt,
  /** Milliseconds that the request took. */
  took: Schema.optionalWith(Schema.Number, absent)
}) {}

/**
 * Which login the stored record belongs to. A refresh changes the refresh token and continues the login; a new login is
 * another one, though account and scopes may be the same.
 *
 * @since 0.1.0
 * @category models
 */
export class LoginIdentity extends Schema.Class<LoginIdentity>("@lockstep/core/LoginIdentity")({
  /** Fingerprint of the first refresh token that is known of the login. */
  name: Schema.String,
  /** Fingerprint of the refresh token that the login has now, as far as this journal knows. */
  fingerprint: Schema.String
}) {}

/**
 * The whole journal of one tenant.
 *
 * @since 0.1.0
 * @category models
 */
export class JournalRecord extends Schema.Class<JournalRecord>("@lockstep/core/JournalRecord")({
  version: Schema.Literal(1),
  tenant: Schema.String,
  /** The last generation that was ever written, also after a logout. */
  generation: Schema.NonNegativeInt,
  /** The attempt that wrote the stored record last, for stores whose format has no place for it. */
  lastRedeem: Schema.optionalWith(Schema.String, absent).pipe(Schema.fromKey("last_redeem")),
  login: Schema.optionalWith(LoginIdentity, absent).pipe(
    Schema.withConstructorDefault(() => Option.none<LoginIdentity>())
  ),
  intent: Schema.optionalWith(Intent, absent),
  cooldown: Schema.optionalWith(Cooldown, absent),
  mark: Schema.optionalWith(Mark, absent),
  rest: Schema.optionalWith(Rest, absent),
  /** Newest first. */
  retired: Schema.Array(Retired),
  /** When redemptions for a rejected token were made. Milliseconds, newest first. */
  rejections: Schema.Array(Schema.Number),
  /** Newest first. */
  outcomes: Schema.Array(Outcome)
}) {}

/**
 * Makes a record of parts that were made here. What is written is checked where it is encoded, once: to check it at every
 * change, whole, cost a refresh more than everything else that it does with its journal.
 *
 * @since 0.1.0
 * @category constants
 */
export const UNCHECKED = { disableValidation: true } as const

/**
 * The journal of a tenant of which nothing is known.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty = (tenant: TenantId): JournalRecord =>
  JournalRecord.make({
    version: 1,
    tenant,
    generation: 0,
    lastRedeem: Option.none(),
    intent: Option.none(),
    cooldown: Option.none(),
    mark: Option.none(),
    rest: Option.none(),
    retired: [],
    rejections: [],
    outcomes: []
  }, UNCHECKED)

/**
 * The answer of a redemption between redeem and persist.
 *
 * @since 0.1.0
 * @category models
 */
export class CapturedAnswer extends Schema.Class<CapturedAnswer>("@lockstep/core/CapturedAnswer")({
  attempt: Schema.String,
  /** Fingerprint of the refresh token that was redeemed. */
  fingerprint: Schema.String,
  /** The attempt that had written the record that was redeemed. */
  over: Schema.optionalWith(Schema.String, absent).pipe(Schema.withConstructorDefault(() => Option.none<string>())),
  /** Seconds since the epoch. */
  obtainedAt: Schema.propertySignature(Schema.Number).pipe(Schema.fromKey("obtained_at")),
  grant: TokenGrant
}) {}

/**
 * Remembers, durably and per tenant, what was sent and what came of it: the journal of stores that are guarded by a lock.
 *
 * Only the holder of the tenant lock writes; every process reads. Every write is durable when its effect succeeds, but for
 * one that need not last.
 *
 * @since 0.1.0
 * @category services
 */
export class RefreshJournal extends Context.Tag("@lockstep/core/RefreshJournal")<RefreshJournal, {
  /** What messages call the journal of a tenant. */
  readonly location: (tenant: TenantId) => string
  /** Reads the journal; one that does not exist is `empty`, one that does not decode is an error. */
  readonly read: (tenant: TenantId) => Effect.Effect<JournalRecord, CredentialStoreError>
  /**
   * Replaces the journal as a whole. One that need not last is there for every process at once, and a loss of power may
   * bring back, whole, the one before.
   */
  readonly write: (
    tenant: TenantId,
    record: JournalRecord,
    options?: { readonly mustLast?: boolean }
  ) => Effect.Effect<void, CredentialStoreError>
  /** Reserves room for an answer of so many bytes, so that keeping it later needs no free space. */
  readonly reserveAnswer: (tenant: TenantId, bytes: number) => Effect.Effect<void, CredentialStoreError>
  /** Keeps an answer in the room that was reserved, or without it. */
  readonly keepAnswer: (tenant: TenantId, answer: CapturedAnswer) => Effect.Effect<void, CredentialStoreError>
  /** Reads the kept answer. None, a reservation, and a torn write are all `None`. */
  readonly keptAnswer: (tenant: TenantId) => Effect.Effect<Option.Option<CapturedAnswer>, CredentialStoreError>
  /** Removes the kept answer or the reservation; absent is fine. */
  readonly dropAnswer: (tenant: TenantId) => Effect.Effect<void, CredentialStoreError>
}>() {}

/**
 * Faults that the in-memory journal shows on demand, for tests.
 *
 * @since 0.1.0
 * @category testing
 */
export interface MemoryFaults {
  readonly write?: (record: JournalRecord) => Effect.Effect<void, CredentialStoreError>
  readonly reserve?: (tenant: TenantId) => Effect.Effect<void, CredentialStoreError>
  readonly keep?: (tenant: TenantId) => Effect.Effect<void, CredentialStoreError>
}

/**
 * Makes a journal that lives in this process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory = (faults: MemoryFaults = {}): Effect.Effect<RefreshJournal["Type"]> =>
  Effect.sync(() => {
    const records = new Map<TenantId, JournalRecord>()
    const answers = new Map<TenantId, CapturedAnswer>()
    return RefreshJournal.of({
      location: (tenant) => `memory:${tenant}`,
      read: (tenant) => Effect.sync(() => records.get(tenant) ?? empty(tenant)),
      write: (tenant, record) =>
        Effect.zipRight(
          faults.write?.(record) ?? Effect.void,
          Effect.sync(() => void records.set(tenant, record))
        ),
      reserveAnswer: (tenant) =>
        Effect.zipRight(faults.reserve?.(tenant) ?? Effect.void, Effect.sync(() => void answers.delete(tenant))),
      keepAnswer: (tenant, answer) =>
        Effect.zipRight(faults.keep?.(tenant) ?? Effect.void, Effect.sync(() => void answers.set(tenant, answer))),
      keptAnswer: (tenant) => Effect.sync(() => Option.fromNullable(answers.get(tenant))),
      dropAnswer: (tenant) => Effect.sync(() => void answers.delete(tenant))
    })
  })

/**
 * A journal that lives in this process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<RefreshJournal> = Layer.effect(RefreshJournal, makeMemory())
