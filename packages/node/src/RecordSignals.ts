/**
 * How a store over a shared file learns which of its records changed.
 *
 * Every write replaces the whole file, so the file changes for each of its tenants, and means something to one of them.
 * What tells the records apart is compared whenever the file changed: a tenant's epoch grows, and its subscribers are
 * woken, only where its own record is another one. The file is read for that once per change, whatever the number of
 * tenants and callers, and while a proven watch is quiet nothing is asked of the system at all.
 *
 * A change that cannot be judged, since the file cannot be read at that moment, counts for every tenant: the read that
 * follows says what is wrong.
 *
 * All of it is plain callbacks from the watch on: of the processes that wait for one write each pays for one read.
 *
 * @since 0.1.0
 */
import { type CredentialStore, queued } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Path from "node:path"
import * as DirectoryWatch from "./DirectoryWatch.js"
import * as FileEpoch from "./FileEpoch.js"
import * as LastView from "./LastView.js"
import type { SharedFile } from "./SharedFile.js"

/**
 * What the signals of a store are made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<View> {
  /** The file that every write of the store replaces. */
  readonly file: Pick<SharedFile<unknown>, "path" | "writes" | "onWritten">
  /** Reads all records; the same view as long as the file is the same. */
  readonly read: Effect.Effect<View, CredentialStoreError>
  /** A text that is another one when the record of the tenant is. It is kept for long, so it holds no secret. */
  readonly signatureOf: (view: View, tenant: TenantId) => string
}

/**
 * The signals of a store.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordSignals<View> extends Pick<CredentialStore["Type"], "epoch" | "changes" | "listen"> {
  /** Takes down what a reader found of a tenant, so that the next change has something to be compared with. */
  readonly found: (tenant: TenantId, view: View) => void
}

interface Known {
  /** `None` of it where the record was not read since it may have changed. */
  signature: string | undefined
  epoch: number
  /** The state of the file up to which the record is known to be this one. */
  fileEpoch: number
}

interface Subscriber {
  readonly tenant: TenantId
  readonly callback: () => void
  seen: number
}

/**
 * Makes the signals of a store. Their watch ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <View>(
  { file, read, signatureOf }: Options<View>
): Effect.Effect<RecordSignals<View>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const directory = Path.dirname(file.path)
    const name = Path.basename(file.path)
    const closing: Array<() => void> = []
    yield* Effect.addFinalizer(() => Effect.sync(() => closing.forEach((close) => close())))
    const ofFile = FileEpoch.make({
      path: file.path,
      file: name,
      openWatch: () => {
        const { close, watch } = DirectoryWatch.attach(directory)
        closing.push(close)
        return watch
      }
    })
    const fileEpoch = () => ofFile() + file.writes()
    const tenants = new Map<TenantId, Known>()
    const subscribers = new Set<Subscriber>()
    /** What was read last; the view is missing where it could not be read. */
    let latest: { readonly fileEpoch: number; readonly view: View | undefined } | undefined

    const knownOf = (tenant: TenantId, now: number): Known => {
      const known = tenants.get(tenant) ?? { signature: undefined, epoch: 0, fileEpoch: now }
      tenants.set(tenant, known)
      return known
    }

    const signature = LastView.make(signatureOf)

    /** Two readers may have read in one order and tell of it in the other: what differs is a change either way. */
    const compare = (known: Known, text: string): void => {
      if (known.signature !== undefined && known.signature !== text) known.epoch++
      known.signature = text
    }

    /** The file changed. Without both of what is compared, the record counts as changed. */
    const judge = (tenant: TenantId, known: Known, view: View | undefined): void => {
      const text = view === undefined ? undefined : signature(view, tenant)
      if (text === undefined || text !== known.signature) known.epoch++
      known.signature = text
    }

    const take = (now: number, exit: Exit.Exit<View, CredentialStoreError>): View | undefined => {
      latest = { fileEpoch: now, view: Exit.isSuccess(exit) ? exit.value : undefined }
      return latest.view
    }

    // Synchronous, as every read of a file here is. The one that has to wait, for the key of a sealed file, is the first.
    const viewAt = (now: number): View | undefined =>
      latest?.fileEpoch === now ? latest.view : take(now, Effect.runSyncExit(read))

    const epoch = (tenant: TenantId): number => {
      const now = fileEpoch()
      const known = knownOf(tenant, now)
      if (known.fileEpoch === now) return known.epoch
      // A record that was never read is read by the caller, who is about to.
      judge(tenant, known, known.signature === undefined ? undefined : viewAt(now))
      known.fileEpoch = now
      return known.epoch
    }

    const found = (tenant: TenantId, view: View): void => {
      const known = tenants.get(tenant)
      if (known !== undefined) compare(known, signature(view, tenant))
    }

    const wake = (subscriber: Subscriber, view: View | undefined): void => {
      const known = knownOf(subscriber.tenant, fileEpoch())
      judge(subscriber.tenant, known, view)
      if (known.epoch === subscriber.seen) return
      subscriber.seen = known.epoch
      subscriber.callback()
    }

    const lookAgain = (): View | undefined => take(fileEpoch(), Effect.runSyncExit(read))

    // One for all subscribers: each of them would read the file anew.
    const tellAll = (): void => {
      const view = lookAgain()
      for (const subscriber of subscribers) wake(subscriber, view)
    }

    let detach: (() => void) | undefined
    const attach = (): void => {
      const { close, watch } = DirectoryWatch.attach(directory)
      // Own writes are announced at once, also where the directory can only be polled.
      const ends = [watch.listen((changed) => changed === name, tellAll), file.onWritten(tellAll), close]
      detach = () => {
        for (const end of ends) end()
        detach = undefined
      }
    }
    closing.push(() => detach?.())

    const listen = (tenant: TenantId, callback: () => void): () => void => {
      if (detach === undefined) attach()
      // From here on hints arrive, and what they are compared with must be known.
      const view = lookAgain()
      const known = knownOf(tenant, fileEpoch())
      if (view !== undefined) compare(known, signature(view, tenant))
      const subscriber: Subscriber = { tenant, callback, seen: known.epoch }
      subscribers.add(subscriber)
      return () => {
        if (subscribers.delete(subscriber) && subscribers.size === 0) detach?.()
      }
    }

    return { epoch, found, listen, changes: (tenant) => queued((callback) => listen(tenant, callback)) }
  })
