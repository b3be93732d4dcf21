/**
 * What an authorization server issued and what was done with it. Seen by the server itself, so that a test asserts
 * what happened and not what a client believes.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { createHash } from "node:crypto"

/**
 * What a secret is. Output that exists to carry one kind must still not carry another.
 *
 * @since 0.1.0
 * @category models
 */
export type SecretKind =
  | "access_token"
  | "refresh_token"
  | "id_token"
  | "code"
  | "code_verifier"
  | "device_code"
  | "client_secret"

/**
 * A value that must not show up where it does not belong.
 *
 * @since 0.1.0
 * @category models
 */
export interface Secret {
  readonly kind: SecretKind
  readonly value: string
}

/**
 * When something happened: on the wall clock in milliseconds since the epoch, and on the monotonic clock of the machine
 * in nanoseconds, which the processes of one machine share.
 *
 * @since 0.1.0
 * @category models
 */
export interface Moment {
  readonly wall: number
  readonly monotonic: bigint
}

/**
 * What happened to a refresh token. Fingerprints are the first 12 hex digits of its SHA-256.
 *
 * @since 0.1.0
 * @category models
 */
export type LedgerEvent = Data.TaggedEnum<{
  /** It was exchanged, and `successor` took its place. */
  Redeemed: {
    readonly at: Moment
    readonly accountId: string
    readonly fingerprint: string
    readonly successor: string
    /** The access token that came with it, by its fingerprint. */
    readonly accessToken: string
  }
  /** It had been exchanged before and was presented again. */
  Reused: { readonly at: Moment; readonly fingerprint: string }
  /** It arrived while another request with it was on its way or being answered. */
  Overlapped: { readonly at: Moment; readonly fingerprint: string }
  /** A token request was refused for another reason than reuse. */
  Refused: { readonly at: Moment; readonly fingerprint: string; readonly detail: string }
  /** Every token of the login was revoked: after a reuse, or because a client asked for it (RFC 7009). */
  Revoked: { readonly at: Moment; readonly accountId: string; readonly by: "reuse" | "request" }
}>

/**
 * Constructors of {@link LedgerEvent}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const LedgerEvent = Data.taggedEnum<LedgerEvent>()

/**
 * The ledger of one server, in the order in which things happened.
 *
 * @since 0.1.0
 * @category models
 */
export class TokenLedger {
  readonly #events: Array<LedgerEvent> = []
  readonly #secrets = new Map<string, SecretKind>()

  /** Everything that happened. */
  get events(): ReadonlyArray<LedgerEvent> {
    return this.#events
  }

  /** Every secret that was ever issued. */
  get secrets(): ReadonlyArray<Secret> {
    return [...this.#secrets].map(([value, kind]) => ({ kind, value }))
  }

  get redemptions(): ReadonlyArray<Data.TaggedEnum.Value<LedgerEvent, "Redeemed">> {
    return this.#events.filter(LedgerEvent.$is("Redeemed"))
  }

  get reuses(): ReadonlyArray<Data.TaggedEnum.Value<LedgerEvent, "Reused">> {
    return this.#events.filter(LedgerEvent.$is("Reused"))
  }

  get overlaps(): ReadonlyArray<Data.TaggedEnum.Value<LedgerEvent, "Overlapped">> {
    return this.#events.filter(LedgerEvent.$is("Overlapped"))
  }

  get refusals(): ReadonlyArray<Data.TaggedEnum.Value<LedgerEvent, "Refused">> {
    return this.#events.filter(LedgerEvent.$is("Refused"))
  }

  get revocations(): ReadonlyArray<Data.TaggedEnum.Value<LedgerEvent, "Revoked">> {
    return this.#events.filter(LedgerEvent.$is("Revoked"))
  }

  record(event: LedgerEvent): void {
    this.#events.push(event)
  }

  issued(kind: SecretKind, value: string): void {
    this.#secrets.set(value, kind)
  }
}

/**
 * Reads both clocks.
 *
 * @since 0.1.0
 * @category constructors
 */
export const now = (): Moment => ({ wall: Date.now(), monotonic: process.hrtime.bigint() })

/**
 * The first 12 hex digits of the SHA-256 of a token, as the product's journal names it.
 *
 * @since 0.1.0
 * @category getters
 */
export const fingerprint = (token: string): string => createHash("sha256").update(token).digest("hex").slice(0, 12)
