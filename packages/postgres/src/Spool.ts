/**
 * Where an answer lies until the database has it: a directory of this host, because the answer must reach storage that
 * does not fail together with the database. What lies there is sealed like what is stored.
 *
 * An answer stays for some minutes after it was stored. A database that went back in time, because a standby without the
 * last commits took over, holds a refresh token that was exchanged: the answer to it is then the only living one.
 *
 * Each answer has a file of its own. Of two holders of a tenant one may have been overtaken, and neither may write over
 * what the other one got.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import { CapturedAnswer } from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import * as AnswerFile from "@lockstep/node/AnswerFile"
import * as Ownership from "@lockstep/node/Ownership"
import * as SealedEnvelope from "@lockstep/node/secrets/SealedEnvelope"
import * as SealedText from "@lockstep/node/secrets/SealedText"
import type { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"

/**
 * An answer that lies in the spool.
 *
 * @since 0.1.0
 * @category models
 */
export interface Spooled {
  readonly answer: CapturedAnswer
  /** Whether a store has taken it. */
  readonly isStored: boolean
  readonly path: string
}

/**
 * Room for one answer, and then the answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  /** Keeps an answer, durably. */
  readonly keep: (answer: CapturedAnswer) => Effect.Effect<void, CredentialStoreError>
  /** Gives back room that holds no answer. */
  readonly giveBack: Effect.Effect<void>
}

/**
 * The answers of this host.
 *
 * @since 0.1.0
 * @category services
 */
export class Spool extends Context.Tag("@lockstep/postgres/Spool")<Spool, {
  /** What messages call it. */
  readonly location: string
  /** Reserves room, so that keeping needs none. Fails where nothing can be kept: then nothing is sent. */
  readonly reserve: (tenant: TenantId, bytes: number) => Effect.Effect<Place, CredentialStoreError>
  /** Keeps an answer for which no room was reserved. */
  readonly keep: (tenant: TenantId, answer: CapturedAnswer) => Effect.Effect<void, CredentialStoreError>
  /** Reads the answers of a tenant, the newest first. */
  readonly read: (tenant: TenantId) => Effect.Effect<ReadonlyArray<Spooled>, CredentialStoreError>
  /** Notes that a store has taken everything of a tenant, or that nothing of it is wanted. */
  readonly stored: (tenant: TenantId) => Effect.Effect<void, CredentialStoreError>
  /** Names the tenants that have an answer here which no store has taken, and those that had one a moment ago. */
  readonly tenants: Effect.Effect<
    {
      readonly unstored: ReadonlyArray<TenantId>
      readonly stored: ReadonlyArray<TenantId>
      /** Milliseconds for which the oldest answer has lain here that no store has taken; zero where there is none. */
      readonly age: number
    },
    CredentialStoreError
  >
}>() {}

const Json = Schema.parseJson(CapturedAnswer)
const encode = Schema.encodeSync(Json)
const decode = Schema.decode(Json)

/** What may stand beside the answer: the tenant's name, which its file name may have cut short. */
const Envelope = Schema.parseJson(Schema.Struct({ tenant: Schema.String, answer: Schema.String }))
const encodeEnvelope = Schema.encodeSync(Envelope)
const decodeEnvelope = Schema.decode(Envelope)

const UNSTORED = ".answer"
const STORED = ".stored"

/** No redemption takes as long: milliseconds after which room that holds no answer will never hold one. */
const ROOM_KEPT = 3_600_000

/**
 * Where a spool is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly directory: string
  readonly namespace: string
  readonly keys: SealingKeys["Type"]
  /** Milliseconds for which an answer stays that was stored. Ten minutes. */
  readonly keepFor?: number
}

/**
 * Makes a spool of a directory. Building it creates nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  { directory, keepFor = 600_000, keys, namespace }: Options
): Spool["Type"] => {
  const fail = (reason: "Read" | "Write", cause: unknown) =>
    new CredentialStoreError({
      reason,
      location: directory,
      detail: (cause as NodeJS.ErrnoException).code ?? "failed",
      remedy: "make LOCKSTEP_SPOOL a directory on a disk of this host that this user may write"
    })
  const attempt = <A>(reason: "Read" | "Write", act: () => A) =>
    Effect.try({ try: act, catch: (cause) => fail(reason, cause) })

  const prefixOf = (tenant: TenantId): string => `${SidecarNames.encode(`${namespace}/${tenant}`)}.`
  const purpose = `answer/${namespace}`
  const placeOf = (path: string) => ({ location: path, purpose })

  const names = attempt("Read", () => {
    try {
      return Fs.readdirSync(directory)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return []
      throw cause
    }
  })

  const isOld = (path: string, age: number): boolean => {
    const stat = Fs.statSync(path, { throwIfNoEntry: false })
    return stat !== undefined && Math.abs(Date.now() - stat.mtimeMs) > age
  }

  /** What was stored long ago, and room that a process left empty when it was killed. */
  const sweep = (all: ReadonlyArray<string>) =>
    Effect.forEach(all, (name) => {
      const path = Path.join(directory, name)
      if (name.endsWith(STORED)) return isOld(path, keepFor) ? AnswerFile.drop(path) : Effect.void
      return name.endsWith(UNSTORED) && isOld(path, ROOM_KEPT)
        ? Effect.flatMap(
          AnswerFile.read(path),
          Option.match({
            onNone: () => AnswerFile.drop(path),
            onSome: () => Effect.void
          })
        )
        : Effect.void
    }, { discard: true }).pipe(Effect.ignore)

  const newPath = (tenant: TenantId): string =>
    Path.join(directory, `${prefixOf(tenant)}${Date.now().toString(36)}-${Crypto.randomUUID()}${UNSTORED}`)

  const sealed = (tenant: TenantId, answer: CapturedAnswer) =>
    Effect.map(
      keys.current,
      (key) => SealedText.seal(key, purpose, encodeEnvelope({ tenant, answer: encode(answer) }))
    )

  const write = (tenant: TenantId, path: string, answer: CapturedAnswer, room?: AnswerFile.Room) =>
    Effect.flatMap(sealed(tenant, answer), (text) => AnswerFile.keep(path, text, room))

  const ready = Effect.mapError(Ownership.makeDirectory(directory), () => fail("Write", { code: "not ours to write" }))

  /** A torn write, room without an answer, and what a key that is gone sealed are all no answer. */
  const open = (path: string) =>
    Effect.gen(function*() {
      const text = yield* AnswerFile.read(path)
      if (Option.isNone(text)) return Option.none()
      const plain = yield* SealedEnvelope.open(keys, placeOf(path), Buffer.from(text.value, "utf8"))
      const opened = yield* Effect.mapError(
        Effect.flatMap(decodeEnvelope(Buffer.from(plain).toString("utf8")), ({ answer, tenant }) =>
          Effect.map(decode(answer), (one) => ({ answer: one, tenant: tenant as TenantId }))),
        () =>
          new CredentialStoreError({ reason: "Decode", location: path })
      )
      return Option.some({ ...opened, isStored: path.endsWith(STORED), path })
    })

  const read = (tenant: TenantId) =>
    Effect.gen(function*() {
      const all = yield* names
      yield* sweep(all)
      const mine = all.filter((name) =>
        name.startsWith(prefixOf(tenant)) && (name.endsWith(UNSTORED) || name.endsWith(STORED))
      )
      const opened = yield* Effect.forEach(mine, (name) => open(Path.join(directory, name)))
      return opened.flatMap(Option.toArray).filter((one) => one.tenant === tenant).sort((a, b) =>
        b.path.localeCompare(a.path)
      )
    })

  return Spool.of({
    location: directory,
    reserve: (tenant, bytes) =>
      Effect.gen(function*() {
        yield* keys.current
        yield* ready
        const path = newPath(tenant)
        const size = SealedText.sizeOf(2 * bytes + 1_024)
        const room = yield* AnswerFile.reserve(path, size)
        let isUsed = false
        return {
          keep: (answer) =>
            Effect.suspend(() => {
              // From here on the file may hold an answer, whatever the attempt reports.
              isUsed = true
              return write(tenant, path, answer, room)
            }),
          giveBack: Effect.suspend(() => {
            AnswerFile.close(room)
            return isUsed ? Effect.void : Effect.ignore(AnswerFile.drop(path))
          })
        } satisfies Place
      }),
    keep: (tenant, answer) => Effect.zipRight(ready, write(tenant, newPath(tenant), answer)),
    read,
    stored: (tenant) =>
      Effect.flatMap(read(tenant), (all) =>
        attempt("Write", () => {
          for (const { isStored, path } of all) {
            if (isStored) continue
            const now = new Date()
            Fs.utimesSync(path, now, now)
            Fs.renameSync(path, `${path.slice(0, -UNSTORED.length)}${STORED}`)
          }
        })),
    tenants: Effect.gen(function*() {
      const all = yield* names
      yield* sweep(all)
      const opened = yield* Effect.forEach(
        all.filter((name) => name.endsWith(UNSTORED) || name.endsWith(STORED)),
        // One that cannot be opened keeps no other from coming home.
        (name) => Effect.orElseSucceed(open(Path.join(directory, name)), Option.none)
      )
      const found = opened.flatMap(Option.toArray)
      const of = (isStored: boolean) => [
        ...new Set(found.filter((one) => one.isStored === isStored).map(({ tenant }) => tenant))
      ]
      const written = found.flatMap(({ isStored, path }) => {
        const stat = isStored ? undefined : Fs.statSync(path, { throwIfNoEntry: false })
        return stat === undefined ? [] : [stat.mtimeMs]
      })
      return {
        unstored: of(false),
        stored: of(true),
        age: written.length === 0 ? 0 : Math.max(0, Date.now() - Math.min(...written))
      }
    })
  })
}

/**
 * A spool that keeps nothing: an answer then is in the memory of its process alone until the database has it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: Spool["Type"] = Spool.of({
  location: "no spool",
  reserve: () =>
    Effect.succeed({
      keep: () => new CredentialStoreError({ reason: "Write", location: "no spool", detail: "LOCKSTEP_SPOOL is none" }),
      giveBack: Effect.void
    }),
  keep: () => new CredentialStoreError({ reason: "Write", location: "no spool", detail: "LOCKSTEP_SPOOL is none" }),
  read: () => Effect.succeed([]),
  stored: () => Effect.void,
  tenants: Effect.succeed({ unstored: [], stored: [], age: 0 })
})
