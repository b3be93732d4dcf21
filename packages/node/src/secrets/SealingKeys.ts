/**
 * The keys with which secrets are encrypted at rest.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"

/**
 * Bytes of a key.
 *
 * @since 0.1.0
 * @category constants
 */
export const KEY_LENGTH = 32

/**
 * One key. Its id says which key opens a text, and tells nothing of the key itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface SealingKey {
  /** 16 hex digits. */
  readonly id: string
  /** 32 bytes. */
  readonly key: Redacted.Redacted<Uint8Array>
}

/**
 * Makes a key of its 32 bytes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromBytes = (bytes: Uint8Array): SealingKey => ({
  id: Crypto.createHmac("sha256", bytes).update("lockstep key id").digest("hex").slice(0, 16),
  key: Redacted.make(bytes)
})

/**
 * Makes a new random key.
 *
 * @since 0.1.0
 * @category constructors
 */
export const generate: Effect.Effect<SealingKey> = Effect.sync(() => fromBytes(Crypto.randomBytes(KEY_LENGTH)))

/**
 * Where the keys are kept: the keyring, a file, or a credential of systemd.
 *
 * @since 0.1.0
 * @category services
 */
export class SealingKeys extends Context.Tag("@lockstep/node/secrets/SealingKeys")<SealingKeys, {
  /** What messages call the place: a path, or the keyring. */
  readonly location: string

  /**
   * The key that new texts are sealed with, as the place has it now. Made at the first use where this place can make
   * one. Once it was loaded, a place that fails does not keep this process from sealing.
   */
  readonly current: Effect.Effect<SealingKey, CredentialStoreError>

  /** Finds the key of an id, also one that is no longer current. */
  readonly find: (id: string) => Effect.Effect<Option.Option<SealingKey>, CredentialStoreError>

  /**
   * Makes a new key current and keeps the others; where keys are brought from outside, the first of them is current
   * already. Answers with the current key. The caller keeps others from doing the same.
   */
  readonly renew: Effect.Effect<SealingKey, CredentialStoreError>

  /** Forgets every key but the current one, where this place can forget. The caller keeps others from renewing. */
  readonly retire: Effect.Effect<void, CredentialStoreError>
}>() {}
