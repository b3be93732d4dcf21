/**
 * Whose sidecars lie beside a store: tenants that have a journal, an answer or a lock, also without a record.
 */
import { JournalRecord } from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Home } from "../Home.js"
import * as SidecarNames from "../SidecarNames.js"
import * as WholeFile from "../WholeFile.js"

/** The answer files beside a store, by path, and the tenants that are known by a sidecar. */
export interface Sidecars {
  readonly tenants: ReadonlySet<TenantId.TenantId>
  readonly answers: ReadonlyArray<string>
}

const decodeJournal = Schema.decodeUnknownOption(Schema.parseJson(JournalRecord))

/** A long name ends in a hash; the journal itself tells whose it is. */
const fromJournal = (path: string): Effect.Effect<Option.Option<TenantId.TenantId>> =>
  WholeFile.read(path).pipe(
    Effect.map(Option.flatMap(({ bytes }) => decodeJournal(Buffer.from(bytes).toString("utf8")))),
    Effect.map(Option.flatMap(({ tenant }) => Option.getRight(TenantId.fromString(tenant)))),
    Effect.orElseSucceed(() => Option.none())
  )

const namesIn = (directory: string): ReadonlyArray<string> => {
  try {
    return Fs.readdirSync(directory)
  } catch {
    return []
  }
}

/** Locks that were moved carry their store's directory in front. */
const withoutDirectory = (name: string): string => name.replace(/^\d+-\d+\./, "")

export const find = (home: Pick<Home["Type"], "file" | "lockDirectory">): Effect.Effect<Sidecars> =>
  Effect.gen(function*() {
    const directory = Path.dirname(home.file)
    const store = Path.basename(home.file)
    const tenants = new Set<TenantId.TenantId>()
    const answers: Array<string> = []
    for (const name of namesIn(directory)) {
      const sidecar = SidecarNames.parse(store, name)
      if (Option.isNone(sidecar)) continue
      const path = Path.join(directory, name)
      if (sidecar.value.kind === "answer") answers.push(path)
      const tenant = Option.isNone(sidecar.value.tenant) && sidecar.value.kind === "json"
        ? yield* fromJournal(path)
        : sidecar.value.tenant
      if (Option.isSome(tenant)) tenants.add(tenant.value)
    }
    // A first login has a lock before it has anything else.
    for (const name of namesIn(home.lockDirectory)) {
      const sidecar = SidecarNames.parse(store, withoutDirectory(name))
      for (const tenant of Option.toArray(Option.flatMap(sidecar, (one) => one.tenant))) tenants.add(tenant)
    }
    return { tenants, answers }
  })

/** The order in which several tenants are locked. */
export const inByteOrder = (tenants: Iterable<TenantId.TenantId>): ReadonlyArray<TenantId.TenantId> =>
  [...new Set(tenants)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
