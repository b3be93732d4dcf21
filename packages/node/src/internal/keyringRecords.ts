/**
 * Reading the records that the index of a keyring names. An entry never changes, so each is read from the keyring once.
 */
import * as Credential from "@lockstep/core/Credential"
import { CredentialStoreError } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Crypto from "node:crypto"
import * as KeyringIndex from "../keyring/KeyringIndex.js"
import { storedOf } from "../RecordVersion.js"
import type { SharedFile } from "../SharedFile.js"
import type { Entries } from "./keyringEntries.js"

export const CredentialJson = Schema.parseJson(Credential.Credential)
const decodeCredential = Schema.decodeEither(CredentialJson)

export const sha256 = (text: string): string => Crypto.createHash("sha256").update(text).digest("hex")

/** A record and the write that made it. */
export interface Found {
  readonly writeId: string
  readonly stored: Credential.Stored
}

/** The index names an entry that the keyring does not have: it may have been replaced since the index was read. */
class Vanished extends Data.TaggedError("Vanished")<{ readonly writeId: string }> {}

export const make = (index: SharedFile<KeyringIndex.Document>, entries: Entries) => {
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
    const text = Redacted.value(secret)
    const credential = decodeCredential(text)
    if (sha256(text) === current.sha256) {
      // The parse error is dropped: it quotes the entry.
      return Either.mapLeft(credential, () => damaged("Decode", tenant, "is no credential"))
    }
    return Either.left(
      Either.isRight(credential)
        ? damaged("Superseded", tenant, "is another one than was written")
        : damaged("Decode", tenant, "is not what was written")
    )
  }

  const load = (
    document: KeyringIndex.Document,
    tenant: TenantId
  ): Effect.Effect<Option.Option<Found>, CredentialStoreError | Vanished> =>
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
          return entries.read({ tenant, writeId: current.writeId, parts: current.parts }).pipe(
            Effect.flatMap(Effect.mapError(() => new Vanished({ writeId: current.writeId }))),
            Effect.flatMap((secret) => verify(tenant, current, secret)),
            Effect.map((credential) => {
              const found = { writeId: current.writeId, stored: storedOf(credential) }
              known.set(tenant, found)
              return Option.some(found)
            })
          )
        }
      })
    )

  /** Reads index and entry as one: an entry that is gone is looked for again where the index names another by now. */
  const find = (
    read: typeof index.read,
    tenant: TenantId,
    before?: string
  ): Effect.Effect<Option.Option<Found>, CredentialStoreError> =>
    Effect.flatMap(read, (document) => load(document, tenant)).pipe(
      Effect.catchTag(
        "Vanished",
        ({ writeId }) => writeId === before ? missing(tenant) : find(index.readToWrite, tenant, writeId)
      )
    )

  return {
    /** The records that this process has read or written. */
    known,
    currentOf,
    find
  }
}
