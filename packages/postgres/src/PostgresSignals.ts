/**
 * What this process knows of changes: which tenants changed, how far their generations had come, and who waits to hear.
 *
 * Notifications carry generations, so that each living process knows the highest of each tenant. A read below it comes
 * from a database that went back in time: a standby that lacks commits was promoted, or a backup was restored.
 *
 * @since 0.1.0
 */
import * as CredentialStore from "@lockstep/core/CredentialStore"
import type * as Effect from "effect/Effect"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/**
 * A tenant by the digest of its name.
 *
 * @since 0.1.0
 * @category models
 */
export type Key = string

/**
 * Signals of one session.
 *
 * @since 0.1.0
 * @category models
 */
export interface PostgresSignals {
  /** Tells that a record has this generation, and whether its tenant was released. */
  readonly heard: (key: Key, generation: number, released: boolean) => void
  /** Anything may have changed: the session was lost, and with it what was said meanwhile. */
  readonly missed: () => void
  /** A record was read just now. */
  readonly read: (key: Key, generation: number) => void
  /** Differs when the record may have changed, and when it was not read for so many milliseconds. */
  readonly epoch: (key: Key, limit: number) => number
  /** The highest generation that was ever seen. */
  readonly highest: (key: Key) => number
  /** Calls back at each change, outside of any fiber. Returns how to end it. */
  readonly listen: (key: Key, callback: () => void) => () => void
  /** Changes and releases. */
  readonly wakeups: (key: Key) => Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope>
}

interface Entry {
  epoch: number
  generation: number
  readAt: number
  readonly changed: Set<Listener>
  readonly woken: Set<Listener>
}

/** An object of its own, so that one callback may listen twice. */
interface Listener {
  readonly call: () => void
}

const listening = (listeners: Set<Listener>, call: () => void): () => void => {
  const listener = { call }
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

/** A listener may end itself or others while they are called. */
const tell = (listeners: Set<Listener>): void => {
  const present = [...listeners]
  for (const one of present) if (listeners.has(one)) one.call()
}

/** No row has it. */
const UNKNOWN = -1

/**
 * Makes signals that nothing was heard of.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): PostgresSignals => {
  const entries = new Map<Key, Entry>()
  const highest = new Map<Key, number>()
  const entryOf = (key: Key): Entry => {
    const present = entries.get(key)
    if (present !== undefined) return present
    const made: Entry = {
      epoch: 0,
      generation: highest.get(key) ?? UNKNOWN,
      readAt: performance.now(),
      changed: new Set(),
      woken: new Set()
    }
    entries.set(key, made)
    return made
  }
  const reach = (key: Key, generation: number): void => {
    if (generation > (highest.get(key) ?? 0)) highest.set(key, generation)
  }
  const change = (entry: Entry, generation: number): void => {
    entry.generation = generation
    entry.epoch += 1
    tell(entry.changed)
  }
  return {
    heard: (key, generation, released) => {
      reach(key, generation)
      const entry = entries.get(key)
      if (entry === undefined) return
      // The echo of what this process wrote itself, and what was said before it, tell nothing new.
      const isNew = generation > entry.generation
      if (isNew) change(entry, generation)
      if (isNew || released) tell(entry.woken)
    },
    missed: () => {
      for (const entry of entries.values()) {
        entry.epoch += 1
        tell(entry.changed)
        tell(entry.woken)
      }
    },
    read: (key, generation) => {
      reach(key, generation)
      const entry = entryOf(key)
      entry.readAt = performance.now()
      // A change whose word was lost, or a database that went back: memory is as outdated as by any other.
      if (entry.generation === UNKNOWN) entry.generation = generation
      else if (generation !== entry.generation) change(entry, generation)
    },
    epoch: (key, limit) => {
      const entry = entryOf(key)
      if (performance.now() - entry.readAt > limit) {
        entry.readAt = performance.now()
        entry.epoch += 1
      }
      return entry.epoch
    },
    highest: (key) => highest.get(key) ?? 0,
    listen: (key, callback) => listening(entryOf(key).changed, callback),
    wakeups: (key) => CredentialStore.queued((callback) => listening(entryOf(key).woken, callback))
  }
}
