/**
 * A watch proves itself by working. The first event, of any process, shows that events arrive, so most processes
 * are proven by the traffic of others and at no cost. Only where nothing happened for a while does a process cause an
 * event itself, with a scratch file that every other filter drops, and that one event proves all who watch.
 *
 * Until then, and whenever watching fails, the directory is polled instead: a rename within it moves its `mtime`.
 */
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as RemoteFileSystem from "../locks/RemoteFileSystem.js"

/** Files of this prefix exist for an instant and mean nothing. */
export const SCRATCH = ".lockstep-watch-"

/** Milliseconds between two looks at a directory whose watch is not proven. */
const POLL = 250

/** Milliseconds without an event after which a process proves its watch itself. Up to twice that, by chance. */
const PROVE_AFTER = 1_000

/** Milliseconds for which a proven watch is trusted to be on the directory of that path. */
const VERIFY_EVERY = 5_000

/** What a test puts in the place of the machine. */
export interface Machine {
  readonly watch: (
    directory: string,
    onEvent: (file: string | null) => void,
    onError: () => void
  ) => { readonly close: () => void }
  /** Milliseconds, monotonic. */
  readonly now: () => number
  readonly isRemote: (directory: string) => boolean
}

export const machine: Machine = {
  watch: (directory, onEvent, onError) => {
    const watcher = Fs.watch(directory, { persistent: false }, (_, file) => onEvent(file))
    watcher.on("error", onError)
    return watcher
  },
  now: () => performance.now(),
  isRemote: (directory) => Option.isSome(RemoteFileSystem.nameOf(directory))
}

export interface DirectoryWatcher {
  readonly isProven: () => boolean
  readonly count: (file: string) => number
  /** Calls back for accepted files, and whenever any file may have changed. Returns how to end it. */
  readonly subscribe: (accepts: (file: string) => boolean, callback: () => void) => () => void
  readonly close: () => void
}

interface Identity {
  readonly dev: bigint
  readonly ino: bigint
  readonly uid: bigint
  readonly mtimeNs: bigint
}

const identify = (directory: string): Identity | undefined => {
  try {
    return Fs.statSync(directory, { bigint: true, throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

const isSame = (a: Identity | undefined, b: Identity | undefined): boolean => a?.dev === b?.dev && a?.ino === b?.ino

export const make = (directory: string, { isRemote, now, watch }: Machine = machine): DirectoryWatcher => {
  const self = Path.basename(directory)
  const subscribers = new Set<{ readonly accepts: (file: string) => boolean; readonly callback: () => void }>()
  // Only names that a subscriber asked for: temporary files come and go under ever new ones.
  const counts = new Map<string, number>()
  let everything = 0
  let watcher: { readonly close: () => void } | undefined
  let watched: Identity | undefined
  let proven = false
  let provable = false
  let proveAt = 0
  let verifiedAt = 0
  let polledAt = -Infinity
  let timer: NodeJS.Timeout | undefined
  let closed = false

  const anythingMayHaveChanged = () => {
    everything++
    for (const subscriber of subscribers) subscriber.callback()
  }

  const rest = () => {
    if (timer !== undefined) clearInterval(timer)
    timer = undefined
  }

  const stir = () => {
    if (timer === undefined && !closed && !proven && subscribers.size > 0) timer = setInterval(poll, POLL).unref()
  }

  const drop = () => {
    watcher?.close()
    watcher = undefined
    proven = false
    stir()
  }

  const onEvent = (file: string | null) => {
    if (provable && !proven) {
      proven = true
      verifiedAt = now()
      rest()
    }
    if (file === null) return anythingMayHaveChanged()
    if (file.startsWith(SCRATCH)) return
    // The directory itself was moved or removed, and the watch went with it.
    if (file === self) verify()
    const counted = counts.get(file)
    if (counted !== undefined) counts.set(file, counted + 1)
    for (const subscriber of subscribers) if (subscriber.accepts(file)) subscriber.callback()
  }

  const start = () => {
    // Before the watch begins: a directory replaced in between differs from what was noted, and is found by `verify`.
    watched = identify(directory)
    try {
      const started = watch(directory, (file) => watcher === started && onEvent(file), () => {
        if (watcher !== started) return
        drop()
        anythingMayHaveChanged()
      })
      watcher = started
      provable = watched !== undefined && !isRemote(directory)
      proveAt = now() + PROVE_AFTER * (1 + Math.random())
    } catch {
      // Absent, or out of watches (EMFILE, ENOSPC, ENOSYS): polled, and tried again at every poll.
      watcher = undefined
    }
  }

  const verify = () => {
    verifiedAt = now()
    const present = identify(directory)
    if (isSame(present, watched)) return
    drop()
    start()
    anythingMayHaveChanged()
  }

  const prove = () => {
    proveAt = Infinity
    // Readers of another user's home leave no trace in it.
    const user = process.geteuid?.()
    if (user !== undefined && user !== 0 && BigInt(user) !== watched?.uid) return
    const scratch = Path.join(directory, `${SCRATCH}${process.pid}`)
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = Fs.constants
    try {
      // O_NOFOLLOW is missing on Windows.
      Fs.closeSync(Fs.openSync(scratch, O_WRONLY | O_CREAT | O_EXCL | (O_NOFOLLOW ?? 0), 0o600))
    } catch {
      // Read-only; or left behind by a process of the same pid, and then removing it is an event as well.
    }
    try {
      Fs.rmSync(scratch, { force: true })
    } catch {
      // It stays unproven.
    }
  }

  const poll = () => {
    polledAt = now()
    const before = watched
    if (watcher === undefined) {
      start()
      if (watcher !== undefined) return anythingMayHaveChanged()
    }
    const present = identify(directory)
    if (watcher !== undefined && !isSame(present, before)) return verify()
    if (present?.mtimeNs !== before?.mtimeNs) {
      watched = present
      anythingMayHaveChanged()
    }
    // Last: the scratch file moves the `mtime` too. If its event arrives, polling is over and no subscriber is told of
    // it; if none does, the next poll tells of one change too many.
    if (watcher !== undefined && provable && polledAt >= proveAt) prove()
  }

  start()

  return {
    isProven: () => {
      const time = now()
      if (proven) {
        if (time - verifiedAt >= VERIFY_EVERY) verify()
      } else if (time - polledAt >= POLL) poll()
      return proven
    },
    count: (file) => {
      const counted = counts.get(file)
      if (counted === undefined) counts.set(file, 0)
      return everything + (counted ?? 0)
    },
    subscribe: (accepts, callback) => {
      const subscriber = { accepts, callback }
      subscribers.add(subscriber)
      stir()
      return () => {
        subscribers.delete(subscriber)
        if (subscribers.size === 0) rest()
      }
    },
    close: () => {
      closed = true
      rest()
      watcher?.close()
      watcher = undefined
      proven = false
    }
  }
}
