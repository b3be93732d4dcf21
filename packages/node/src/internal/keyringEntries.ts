/**
 * Records of a home as entries of a keyring: one entry each, or several where the platform limits their size.
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Home } from "../Home.js"
import * as Keyring from "../keyring/Keyring.js"
import * as SidecarNames from "../SidecarNames.js"

/** Which entries. */
export interface Place {
  readonly tenant: string
  readonly writeId: string
  readonly parts: number
}

export interface Entries {
  /** What messages call the keyring. */
  readonly name: string

  /** How a text is split. Never a character in two. */
  readonly split: (text: string) => ReadonlyArray<string>

  /** Writes and reads back: what a keyring says it wrote is believed once it gives it back. */
  readonly write: (place: Place, parts: ReadonlyArray<string>) => Effect.Effect<void, CredentialStoreError>

  /** Reads the whole text; `None` where a part is not there. `starting` as for `get` of a keyring. */
  readonly read: (
    place: Place,
    starting?: Duration.Duration
  ) => Effect.Effect<Option.Option<Redacted.Redacted>, CredentialStoreError>

  /** Removes every part. Answers whether all of them were there: one that was not may still arrive. */
  readonly remove: (place: Place) => Effect.Effect<boolean, CredentialStoreError>

  /** Writes and removes an entry of so many bytes and no value, as far as one entry can have so many. */
  readonly rehearse: (tenant: string, bytes: number) => Effect.Effect<void, CredentialStoreError>
}

const splitAt = (text: string, limit: number): ReadonlyArray<string> => {
  const parts: Array<string> = []
  let part = ""
  let size = 0
  for (const point of text) {
    const bytes = Buffer.byteLength(point)
    if (size + bytes > limit) {
      parts.push(part)
      part = ""
      size = 0
    }
    part += point
    size += bytes
  }
  return [...parts, part]
}

export const make: Effect.Effect<Entries, never, Home | Keyring.Keyring> = Effect.gen(function*() {
  const home = yield* Home
  const keyring = yield* Keyring.Keyring
  const limit = Option.getOrElse(keyring.limit, () => Infinity)

  const key = Keyring.homeName(home)
  const nameOf = (tenant: string, rest: string) => `${key}|${SidecarNames.encode(tenant)}|${rest}`
  const accounts = ({ parts, tenant, writeId }: Place): ReadonlyArray<string> =>
    parts === 1
      ? [nameOf(tenant, writeId)]
      : Array.from({ length: parts }, (_, i) => nameOf(tenant, `${writeId}|${i}`))

  // All calls of one step together: a hold of the tenant lock has room for three steps, whatever each of them asks.
  const asked = <A>(calls: Effect.Effect<A, Keyring.KeyringError>, starting = Duration.zero) =>
    calls.pipe(
      Effect.timeoutFail({
        duration: Duration.sum(keyring.timeout, starting),
        onTimeout: () =>
          new Keyring.KeyringError({
            reason: "Timeout",
            detail: `it did not answer within ${Duration.format(keyring.timeout)}`
          })
      }),
      Effect.mapError(Keyring.toStoreError(keyring))
    )

  const keep = (account: string, part: string) =>
    Effect.flatMap(
      Effect.zipRight(keyring.set(account, Redacted.make(part)), keyring.get(account)),
      (found) =>
        Option.isSome(found) && Redacted.value(found.value) === part
          ? Effect.void
          : new Keyring.KeyringError({ reason: "Unavailable", detail: "it did not keep what it took" })
    )

  return {
    name: keyring.name,
    split: (text) => Buffer.byteLength(text) <= limit ? [text] : splitAt(text, limit),
    write: (place, parts) =>
      asked(Effect.forEach(accounts(place), (account, i) => keep(account, parts[i]!), { discard: true })),
    read: (place, starting = Duration.zero) =>
      asked(
        Effect.map(
          Effect.forEach(accounts(place), (account) => keyring.get(account, { starting })),
          (parts) => Option.map(Option.all(parts), (all) => Redacted.make(all.map(Redacted.value).join("")))
        ),
        starting
      ),
    remove: (place) =>
      asked(Effect.map(
        Effect.forEach(accounts(place), (account) => keyring.remove(account)),
        (removed) => removed.every((one) => one)
      )),
    rehearse: (tenant, bytes) =>
      Effect.suspend(() => {
        // The name is the same at all times: a process that is killed in between leaves one entry, and nothing in it.
        const account = nameOf(tenant, "rehearsal")
        return asked(Effect.zipRight(
          keyring.set(account, Redacted.make("-".repeat(Math.min(bytes, limit)))),
          Effect.asVoid(keyring.remove(account))
        ))
      })
  }
})
