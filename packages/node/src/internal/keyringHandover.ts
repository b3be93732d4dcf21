/**
 * Handing a record on to the processes that hold the one before it, past the keyring.
 *
 * A keyring answers one question at a time. Where dozens of processes wait for one refresh, each of them would ask for the
 * same entry at the same moment. So a writer also leaves the new entry in a file, sealed under a key that only the entry
 * before it holds: a process that has read that one opens the next without the keyring, and the disk alone tells nothing.
 *
 * The file decides nothing. The index says which entry counts, and its digest whether what was opened is that entry; a
 * file that is lost, torn, of another write, of another tenant or of another home is passed over, and the keyring is
 * asked. So it is written without a sync, and no write fails for it.
 *
 * It lies in a directory of its own: in that of the store each write of it would wake every process that waits there.
 */
import type { TenantId } from "@lockstep/core/TenantId"
import * as Trace from "@lockstep/core/Trace"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AtomicFile from "../AtomicFile.js"
import type { Home } from "../Home.js"
import * as Keyring from "../keyring/Keyring.js"
import * as Ownership from "../Ownership.js"
import * as SealedText from "../secrets/SealedText.js"
import type { SealingKey } from "../secrets/SealingKeys.js"
import * as SidecarNames from "../SidecarNames.js"
import * as WholeFile from "../WholeFile.js"

/** An entry that can be followed. */
export interface Predecessor {
  readonly writeId: string
  readonly nextKey: Option.Option<SealingKey>
}

/** From one write of a tenant to the next. */
export interface Step {
  readonly tenant: TenantId
  /** The entry that the new one takes the place of; `None` for a first one. */
  readonly from: Option.Option<Predecessor>
  /** The name of the new write. */
  readonly to: string
}

export interface Handover {
  /**
   * Leaves a record for those who hold the one before, or takes away what lies there where it cannot be handed on. Only
   * under the aggregate lock. Never fails.
   */
  readonly leave: (step: Step, text: Redacted.Redacted) => Effect.Effect<void>

  /** Takes away what lies there of a tenant. Only under the aggregate lock. Never fails. */
  readonly drop: (tenant: TenantId) => Effect.Effect<void>

  /** Takes away what lies there of all tenants. Only under the aggregate lock. Never fails. */
  readonly clear: Effect.Effect<void>

  /** Opens the record that was left for the holders of `from`. `None` wherever anything is not as it should be. */
  readonly take: (step: Step) => Option.Option<Redacted.Redacted>
}

const attempt = (run: () => void): Effect.Effect<void> => Effect.ignore(Effect.try(run))

export const make = (home: Pick<Home["Type"], "file">, index: string): Handover => {
  const name = Keyring.homeName(home)
  const directory = SidecarNames.handovers(index)

  const purposeOf = (tenant: TenantId, from: string, to: string): string =>
    JSON.stringify(["lockstep keyring handover", name, tenant, from, to])

  const sealed = ({ from, tenant, to }: Step, text: Redacted.Redacted): Option.Option<string> =>
    Option.flatMap(
      from,
      ({ nextKey, writeId }) =>
        Option.map(nextKey, (key) => SealedText.seal(key, purposeOf(tenant, writeId, to), Redacted.value(text)))
    )

  // A link could lead root, who may write in a home of another user, to files of its own.
  const isDirectory = (): boolean => {
    try {
      return Fs.lstatSync(directory).isDirectory()
    } catch {
      return false
    }
  }

  // What a killed writer left of it, and the file itself.
  const remove = (path: string) =>
    Effect.suspend(() =>
      isDirectory()
        ? Effect.zipRight(AtomicFile.sweep(path), attempt(() => Fs.rmSync(path, { force: true })))
        : Effect.void
    )

  const write = (path: string, text: string) =>
    Ownership.makeDirectory(directory).pipe(
      Effect.zipRight(Effect.suspend(() =>
        isDirectory()
          ? Effect.zipRight(AtomicFile.sweep(path), AtomicFile.replaceUnsynced(path, text))
          : Effect.void
      )),
      // What lies there now is of a write before, and of no use to any process.
      Effect.catchAll(() => remove(path))
    )

  return {
    leave: (step, text) =>
      Effect.suspend(() => {
        const path = SidecarNames.handover(index, step.tenant)
        return Option.match(sealed(step, text), {
          onNone: () => WholeFile.isAbsent(path) ? Effect.void : remove(path),
          onSome: (contents) => write(path, contents)
        })
      }).pipe(Trace.withSpan("lockstep.store.handover")),

    drop: (tenant) => Effect.suspend(() => remove(SidecarNames.handover(index, tenant))),

    clear: attempt(() => {
      // One by one: nothing is removed that a directory in there holds.
      if (!isDirectory()) return
      for (const entry of Fs.readdirSync(directory)) Fs.rmSync(Path.join(directory, entry), { force: true })
      Fs.rmdirSync(directory)
    }),

    take: ({ from, tenant, to }) =>
      Option.flatMap(from, ({ nextKey, writeId }) =>
        Option.flatMap(nextKey, (key) => {
          const read = Option.flatten(Either.getRight(WholeFile.readNow(SidecarNames.handover(index, tenant))))
          return Option.flatMap(read, ({ bytes }) =>
            Option.map(
              Either.getRight(SealedText.open(key, purposeOf(tenant, writeId, to), bytes)),
              (plain) => Redacted.make(Buffer.from(plain).toString("utf8"))
            ))
        }))
  }
}
