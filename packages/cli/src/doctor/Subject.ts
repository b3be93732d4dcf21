/**
 * What is examined: the store of this process as far as it answers, and whatever else the home remembers.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import { type JournalRecord, RefreshJournal } from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import * as FileRefreshJournal from "@lockstep/node/FileRefreshJournal"
import { Home } from "@lockstep/node/Home"
import * as Refuge from "@lockstep/node/Refuge"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
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
  /** Reads a journal alone: it is a plain file whatever the store is, and answers when the store does not. */
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
  const listed = yield* Effect.either(Effect.zipRight(home.check, store.list))
  const directories = new Set([path.dirname(home.file), home.lockDirectory])
  const sidecars = [
    ...[...directories].flatMap((directory) => sidecarsIn(directory, path.basename(home.file))),
    ...sidecarsElsewhere(home)
  ]
  const remembered = sidecars.flatMap(({ kind, tenant }) => kind === "json" ? Option.toArray(tenant) : [])
  return Subject.of({
    tenants: Either.match(listed, { onLeft: () => [], onRight: (tenants) => [...tenants].sort() }),
    unreachable: Either.getLeft(listed),
    remembered: [...new Set(remembered)],
    sidecars,
    journal: journal.read
  })
})

/**
 * The store of this process and its home.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Subject, never, Home | CredentialStore> = Layer.provide(
  Layer.effect(Subject, make),
  FileRefreshJournal.layer
)
