/** A binary heap: what is least comes out first. */
export interface Heap<A> {
  readonly push: (item: A) => void
  readonly peek: () => A | undefined
  readonly pop: () => A | undefined
}

export const make = <A>(isBefore: (self: A, that: A) => boolean): Heap<A> => {
  const items: Array<A> = []

  const swap = (a: number, b: number): void => {
    const kept = items[a]!
    items[a] = items[b]!
    items[b] = kept
  }

  const rise = (from: number): void => {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1
      if (!isBefore(items[at]!, items[parent]!)) return
      swap(at, parent)
      at = parent
    }
  }

  const sink = (): void => {
    for (let at = 0;;) {
      const left = 2 * at + 1
      const right = left + 1
      let least = at
      if (left < items.length && isBefore(items[left]!, items[least]!)) least = left
      if (right < items.length && isBefore(items[right]!, items[least]!)) least = right
      if (least === at) return
      swap(at, least)
      at = least
    }
  }

  return {
    push: (item) => rise(items.push(item) - 1),
    peek: () => items[0],
    pop: () => {
      const first = items[0]
      const last = items.pop()
      if (items.length > 0 && last !== undefined) {
        items[0] = last
        sink()
      }
      return first
    }
  }
}
