/**
 * Reading the records that the index of a keyring names. An entry never changes, so each is read once: from what the
 * writer left for those who hold the one before, else from the keyring, whose readers take turns.
 */
import type * as Credential from "@lockstep/core/Credential"
import { CredentialStoreError } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as KeyringIndex from "../keyring/KeyringIndex.js"
import { storedOf } from "../RecordVersion.js"
import type { SealingKey } from "../secrets/SealingKeys.js"
import type { SharedFile } from "../SharedFile.js"
import type { Entries } from "./keyringEntries.js"
import * as KeyringEntryText from "./keyringEntryText.js"
import type { Handover } from "./keyringHandover.js"
import type { Turns } from "./keyringTurns.js"

export const sha256 = (text: string): string => Crypto.createHash("sha256").update(text).digest("hex")

/** A record and the write that made it. */
export interface Found {
  readonly writeId: string
  readonly stored: Credential.Stored
  /** What opens the record that takes the place of this one. */
  readonly nextKey: Option.Option<SealingKey>
  /** Whether the keyring itself gave it, or took it. */
  readonly isKept: boolean
}

/** The index names an entry that the keyring does not have: it may have been replaced since the index was read. */
class Vanished extends Data.TaggedError("Vanished")<{ readonly writeId: string }> {}

type Loaded = Effect.Effect<Option.Option<Found>, CredentialStoreError | Vanished>

export const make = (
  { entries, handover, inTurn, index, starting }: {
    readonly index: SharedFile<KeyringIndex.Document>
    readonly entries: Entries
    readonly handover: Handover
    readonly inTurn: Turns["inTurn"]
    /** How long what asks the keyring may take to start, of a process that has read nothing: it holds up no other. */
    readonly starting: Duration.Duration
  }
) => {
  const known = new Map<TenantId, Found>()

  const missing = (tenant: TenantId) =>
    new CredentialStoreError({
      reason: "Read",
      location: entries.name,
      detail: `it does not hold the entry that ${index.path} names for ${tenant}`,
      remedy:
        `bring the entry back; if this home was moved or copied, use it where it was; else take ${tenant} out of ` +
        `${index.path} and log in again`
    })

  const damaged = (reason: "Decode" | "Superseded", tenant: TenantId, detail: string) =>
    new CredentialStoreError({ reason, location: entries.name, detail: `the entry of ${tenant} ${detail}` })

  const currentOf = (document: KeyringIndex.Document, tenant: TenantId) =>
    Either.mapLeft(KeyringIndex.get(document, tenant), (damage) => index.failure("Decode", damage))

  const verify = (tenant: TenantId, current: KeyringIndex.Current, secret: Redacted.Redacted) => {
    const entry = KeyringEntryText.decode(secret)
    if (sha256(Redacted.value(secret)) === current.sha256) {
      return Either.mapLeft(entry, () => damaged("Decode", tenant, "is no credential"))
    }
    return Either.left(
      Either.isRight(entry)
        ? damaged("Superseded", tenant, "is another one than was written")
        : damaged("Decode", tenant, "is not what was written")
    )
  }

  const keep = (
    tenant: TenantId,
    { writeId }: KeyringIndex.Current,
    { credential, nextKey }: KeyringEntryText.EntryText,
    isKept: boolean
  ): Found => {
    const found = { writeId, stored: storedOf(credential), nextKey, isKept }
    known.set(tenant, found)
    return found
  }

  /** Opens what the writer left for those who hold the record before, if this process holds it. */
  const follow = (tenant: TenantId, current: KeyringIndex.Current): Option.Option<Found> =>
    handover.take({ tenant, from: Option.fromNullable(known.get(tenant)), to: current.writeId }).pipe(
      Option.flatMap((secret) => Either.getRight(verify(tenant, current, secret))),
      Option.map((entry) => keep(tenant, current, entry, false))
    )

  const ask = (tenant: TenantId, current: KeyringIndex.Current, starting?: Duration.Duration): Loaded =>
    entries.read({ tenant, writeId: current.writeId, parts: current.parts }, starting).pipe(
      Effect.flatMap(Effect.mapError(() => new Vanished({ writeId: current.writeId }))),
      Effect.flatMap((secret) => verify(tenant, current, secret)),
      Effect.map((entry) => Option.some(keep(tenant, current, entry, true)))
    )

  /** What is at hand of the record that counts, else what `orElse` makes of it. */
  const load = (
    document: KeyringIndex.Document,
    tenant: TenantId,
    orElse: (current: KeyringIndex.Current) => Loaded
  ): Loaded =>
    Effect.flatMap(
      currentOf(document, tenant),
      Option.match({
        onNone: () => {
          known.delete(tenant)
          return Effect.succeedNone
        },
        onSome: (current) => {
          const loaded = known.get(tenant)
          if (loaded?.writeId === current.writeId) return Effect.succeedSome(loaded)
          const followed = follow(tenant, current)
          return Option.isSome(followed) ? Effect.succeed(followed) : orElse(current)
        }
      })
    )

  /** Reads index and entry as one: an entry that is gone is looked for again where the index names another by now. */
  const find = (
    read: typeof index.read,
    tenant: TenantId,
    before?: string
  ): Effect.Effect<Option.Option<Found>, CredentialStoreError> =>
    Effect.flatMap(read, (document) =>
      load(document, tenant, (current) =>
        known.has(tenant)
          ? ask(tenant, current)
          // Anew: another process may have written while this one waited for its turn.
          : inTurn(
            Effect.flatMap(read, (document) => load(document, tenant, (current) => ask(tenant, current, starting)))
          )))
      .pipe(
        Effect.catchTag(
          "Vanished",
          ({ writeId }) => writeId === before ? missing(tenant) : find(index.readToWrite, tenant, writeId)
        )
      )

  /**
   * The same before something is spent: what this process has from a file is read from the keyring, at once. A home that
   * was put back to an earlier state has the file that belongs to its index, and the keyring has its entry no more.
   */
  const findKept = (
    tenant: TenantId,
    before?: string
  ): Effect.Effect<Option.Option<Found>, CredentialStoreError> =>
    Effect.flatMap(index.readToWrite, (document) =>
      Effect.flatMap(
        currentOf(document, tenant),
        Option.match({
          onNone: () => Effect.succeedNone,
          onSome: (current) => {
            const loaded = known.get(tenant)
            return loaded?.isKept === true && loaded.writeId === current.writeId
              ? Effect.succeedSome(loaded)
              : ask(tenant, current)
          }
        })
      )).pipe(
        Effect.catchTag(
          "Vanished",
          ({ writeId }) => writeId === before ? missing(tenant) : findKept(tenant, writeId)
        )
      )

  return {
    /** The records that this process has read or written. */
    known,
    currentOf,
    find,
    findKept
  }
}
