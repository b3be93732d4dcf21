/** Callbacks that are called together, outside of any fiber. */
export interface Listeners {
  readonly add: (callback: () => void) => () => void
  readonly call: () => void
}

export const make = (): Listeners => {
  // Entries and not the callbacks themselves: one that is added twice is called twice.
  const entries = new Set<{ readonly callback: () => void }>()
  return {
    add: (callback) => {
      const entry = { callback }
      entries.add(entry)
      return () => void entries.delete(entry)
    },
    // One that is ended by another's call is called no more.
    call: () => entries.forEach(({ callback }) => callback())
  }
}
