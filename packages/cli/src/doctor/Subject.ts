/**
 * What is examined: the store of this process as far as it answers, and whatever else the home remembers.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody } from "@lockstep/core/Custody"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import { type JournalRecord, RefreshJournal } from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import { Envelope, plain } from "@lockstep/node/Envelope"
import * as FileRefreshJournal from "@lockstep/node/FileRefreshJournal"
import { Home } from "@lockstep/node/Home"
import * as Refuge from "@lockstep/node/Refuge"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import { StoreChoice } from "@lockstep/node/stores/StoreChoice"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"

/**
 * A file of ours in the directory of the store, and whose it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sidecar extends SidecarNames.Sidecar {
  readonly path: string
}

/**
 * What there is to examine, looked up once.
 *
 * @since 0.1.0
 * @category services
 */
export class Subject extends Context.Tag("@lockstep/cli/doctor/Subject")<Subject, {
  /** The logins that the store has, in the order of their names; none where it does not answer. */
  readonly tenants: ReadonlyArray<TenantId>
  /** Why the store does not answer. Then no single record is asked for: each of them could take as long. */
  readonly unreachable: Option.Option<CredentialStoreError>
  /** The logins that have a journal, present or past. */
  readonly remembered: ReadonlyArray<TenantId>
  readonly sidecars: ReadonlyArray<Sidecar>
  /**
   * Reads a journal alone. In a home it is a plain file whatever the store is, and answers when the store does not; a
   * database that hosts share keeps it itself.
   */
  readonly journal: (tenant: TenantId) => Effect.Effect<JournalRecord, CredentialStoreError>
}>() {}

const namesIn = (directory: string): ReadonlyArray<string> => {
  try {
    return fs.readdirSync(directory).sort()
  } catch {
    return []
  }
}

/** Locks that were moved carry their store's directory in front. */
const MOVED = /^\d+-\d+\./

const sidecarsIn = (directory: string, store: string): ReadonlyArray<Sidecar> =>
  namesIn(directory).flatMap((name) =>
    Option.toArray(Option.map(
      SidecarNames.parse(store, name.replace(MOVED, "")),
      (sidecar) => ({ ...sidecar, path: path.join(directory, name) })
    ))
  )

/** What lies in the refuges because the disk of the store refused it. */
const sidecarsElsewhere = ({ file, refuges }: Home["Type"]): ReadonlyArray<Sidecar> =>
  refuges.filter((refuge) => Refuge.isUsable(refuge, file)).flatMap(({ directory }) =>
    namesIn(directory).flatMap((name) =>
      Refuge.nameOf(file, name).pipe(
        Option.flatMap((beside) => SidecarNames.parse(path.basename(file), beside)),
        Option.map((sidecar) => ({ ...sidecar, path: path.join(directory, name) })),
        Option.toArray
      )
    )
  )

const make = Effect.gen(function*() {
  const home = yield* Home
  const store = yield* CredentialStore
  const journal = yield* RefreshJournal
  const custody = yield* Custody
  const { chosen } = yield* StoreChoice
  const isInStore = chosen._tag === "Native" && chosen.store.keepsJournals === true
  const listed = yield* Effect.either(Effect.zipRight(home.check, store.list))
  const directories = new Set([path.dirname(home.file), home.lockDirectory])
  const sidecars = [
    ...[...directories].flatMap((directory) => sidecarsIn(directory, path.basename(home.file))),
    ...sidecarsElsewhere(home)
  ]
  const remembered = sidecars.flatMap(({ kind, tenant }) => kind === "json" ? Option.toArray(tenant) : [])
  const tenants = Either.match(listed, { onLeft: () => [], onRight: (tenants) => [...tenants].sort() })
  return Subject.of({
    tenants,
    unreachable: Either.getLeft(listed),
    remembered: isInStore ? tenants : [...new Set(remembered)],
    sidecars,
    journal: isInStore ? (tenant) => Effect.map(custody.read(tenant), (evidence) => evidence.journal) : journal.read
  })
})

/**
 * Runs an examination of the store of this process and of its home.
 *
 * @since 0.1.0
 * @category combinators
 */
export const provide = <A, E, R>(
  examination: Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Subject> | Home | CredentialStore | Custody | StoreChoice> =>
  Effect.provideServiceEffect(
    examination,
    Subject,
    Effect.provideServiceEffect(
      make,
      RefreshJournal,
      Effect.provideService(FileRefreshJournal.make, Envelope, plain)
    )
  )
