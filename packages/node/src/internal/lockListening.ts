/**
 * Hearing of a lock that may be free: by the watch of its directory, and by a probe of the lock itself.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as DirectoryWatch from "../DirectoryWatch.js"
import * as ForeignLock from "../locks/ForeignLock.js"
import type { KernelLock } from "../locks/KernelLock.js"
import type { LockFile } from "../locks/LockFile.js"
import * as SidecarNames from "../SidecarNames.js"
import * as LockProbe from "./lockProbe.js"

// A release touches its sidecar, a write renames the file that it replaces. What else happens here, temporary files,
// journals and answers, the locks of others and the line, frees no lock of ours and would only make every waiter ask in
// vain.
const mayPrecedeARelease = (file: string): boolean =>
  !(file.endsWith(".lock") || SidecarNames.isLine(file) || file.includes(".lockstep-") || file.includes(".refresh."))

/** What is waited for. */
export interface Waiting {
  readonly wanted: ReadonlyArray<LockFile>
  readonly directory: string
  readonly kernel: () => KernelLock | undefined
  /** Becomes the first in line; `undefined` where another process is, or where there is no line. */
  readonly lead: (wanted: ReadonlyArray<LockFile>) => number | undefined
  readonly hint: () => void
}

const changeTime = (directory: string): bigint | undefined =>
  Fs.statSync(directory, { bigint: true, throwIfNoEntry: false })?.mtimeNs

/** Hints until it is ended. Opened by the first caller that waits: an uncontended process watches nothing. */
export const listen = ({ directory, hint, kernel, lead, wanted }: Waiting): () => void => {
  const { close, watch } = DirectoryWatch.attach(directory)
  let seen = changeTime(directory)
  const probe = LockProbe.start({
    paths: wanted.flatMap((one) => one._tag === "Kernel" ? [one.path] : []),
    foreign: wanted.flatMap((one) => one._tag === "Kernel" ? [] : [() => ForeignLock.isFree(one)]),
    kernel,
    hasChanged: () => {
      if (watch.isProven()) return false
      const before = seen
      seen = changeTime(directory)
      return seen !== before
    },
    lead: () => lead(wanted),
    hint
  })
  const names = new Set(wanted.map(({ path }) => Path.basename(path)))
  const end = watch.listen((file) => names.has(file) || mayPrecedeARelease(file), probe.soon)
  return () => {
    end()
    probe.end()
    close()
  }
}
