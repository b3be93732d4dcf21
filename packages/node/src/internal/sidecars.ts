/**
 * Whose sidecars lie beside a store: tenants that have a journal, an answer or a lock, also without a record.
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import { JournalRecord } from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Home } from "../Home.js"
import * as Refuge from "../Refuge.js"
import * as SidecarNames from "../SidecarNames.js"
import * as WholeFile from "../WholeFile.js"
import { codeOf } from "./errno.js"

/** An answer file, beside the store or in a refuge. */
export interface AnswerAt {
  readonly path: string
  /** What it is called beside the store. */
  readonly name: string
}

/** The answer files of a store, and the tenants that are known by a sidecar. */
export interface Sidecars {
  readonly tenants: ReadonlySet<TenantId.TenantId>
  readonly answers: ReadonlyArray<AnswerAt>
}

const decodeJournal = Schema.decode(Schema.parseJson(JournalRecord))

/**
 * A long name ends in a hash, and the journal itself tells whose it is. A damaged one belongs to no tenant that
 * refreshes.
 */
const fromJournal = (path: string): Effect.Effect<Option.Option<TenantId.TenantId>> =>
  WholeFile.read(path).pipe(
    Effect.flatten,
    Effect.flatMap(({ bytes }) => WholeFile.decodeText(path, bytes)),
    Effect.flatMap(decodeJournal),
    Effect.flatMap(({ tenant }) => TenantId.fromString(tenant)),
    Effect.option
  )

interface Found extends SidecarNames.Sidecar, AnswerAt {}

/** Locks that were moved carry their store's directory in front. */
const withoutDirectory = (name: string): string => name.replace(/^\d+-\d+\./, "")

const foundIn = (
  directory: string,
  store: string,
  nameOf: (file: string) => string = withoutDirectory
): Effect.Effect<ReadonlyArray<Found>, CredentialStoreError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(
        Fs.readdirSync(directory).flatMap((file) => {
          const name = nameOf(file)
          return Option.toArray(Option.map(
            SidecarNames.parse(store, name),
            (sidecar) => ({ ...sidecar, name, path: Path.join(directory, file) })
          ))
        })
      )
    } catch (cause) {
      const detail = codeOf(cause)
      return detail === "ENOENT"
        ? Effect.succeed([])
        : new CredentialStoreError({ reason: "Read", location: directory, detail })
    }
  })

/** Everything in the refuges that was refused beside a store. */
const foundElsewhere = (
  home: Pick<Home["Type"], "file" | "refuges">
): Effect.Effect<ReadonlyArray<Found>, CredentialStoreError> =>
  Effect.map(
    Effect.forEach(
      home.refuges.filter((refuge) => Refuge.isUsable(refuge, home.file)),
      ({ directory }) =>
        foundIn(
          directory,
          Path.basename(home.file),
          (file) => Option.getOrElse(Refuge.nameOf(home.file, file), () => "")
        )
    ),
    (found) => found.flat()
  )

/**
 * A process that refreshes has a lock file before anything else, so a tenant whose lock was ever taken is among them.
 */
export const find = (
  home: Pick<Home["Type"], "file" | "lockDirectory" | "refuges">
): Effect.Effect<Sidecars, CredentialStoreError> =>
  Effect.gen(function*() {
    const store = Path.basename(home.file)
    const beside = [...yield* foundIn(Path.dirname(home.file), store), ...yield* foundElsewhere(home)]
    const locks = yield* foundIn(home.lockDirectory, store)
    const tenants = yield* Effect.forEach(
      [...beside, ...locks],
      ({ kind, path, tenant }) => kind === "json" && Option.isNone(tenant) ? fromJournal(path) : Effect.succeed(tenant)
    )
    return {
      tenants: new Set(tenants.flatMap(Option.toArray)),
      answers: beside.flatMap(({ kind, name, path }) => kind === "answer" ? [{ name, path }] : [])
    }
  })

/** The order in which several tenants are locked. */
export const inByteOrder = (tenants: Iterable<TenantId.TenantId>): ReadonlyArray<TenantId.TenantId> =>
  [...new Set(tenants)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
