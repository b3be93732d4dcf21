import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Readable } from "node:stream"

/**
 * Everything that came out of a stream, and a way to wait for a line of it.
 */
export interface Lines {
  readonly text: () => string
  /** The first line, past or coming, of which `select` makes something; `None` when the stream ended without one. */
  readonly find: <A>(select: (line: string) => Option.Option<A>) => Effect.Effect<Option.Option<A>>
  /** Hears every line, past and coming. */
  readonly follow: (listener: (line: string) => void) => Effect.Effect<void>
  /** Waits until the stream has ended. */
  readonly ended: Effect.Effect<void>
}

export const make = (stream: Readable, onData: () => void = () => {}): Lines => {
  const lines: Array<string> = []
  const waiting = new Set<() => void>()
  let text = ""
  let partial = ""
  let ended = false
  const notify = () => {
    for (const wake of waiting) wake()
  }
  stream.setEncoding("utf8")
  stream.on("data", (chunk: string) => {
    text += chunk
    const parts = (partial + chunk).split("\n")
    partial = parts.pop()!
    lines.push(...parts)
    onData()
    notify()
  })
  // A process that is killed resets its pipes; what it said before still counts.
  stream.on("error", () => {})
  stream.once("close", () => {
    ended = true
    if (partial !== "") lines.push(partial)
    notify()
  })

  const wait = <A>(poll: () => Option.Option<A>): Effect.Effect<A> =>
    Effect.async((resume) => {
      const wake = () =>
        Option.match(poll(), {
          onNone: () => {},
          onSome: (value) => {
            waiting.delete(wake)
            resume(Effect.succeed(value))
          }
        })
      waiting.add(wake)
      wake()
      return Effect.sync(() => waiting.delete(wake))
    })

  return {
    text: () => text,
    find: (select) =>
      Effect.suspend(() => {
        let seen = 0
        return wait(() => {
          while (seen < lines.length) {
            const found = select(lines[seen++]!)
            if (Option.isSome(found)) return Option.some(found)
          }
          return ended ? Option.some(Option.none()) : Option.none()
        })
      }),
    follow: (listener) =>
      Effect.sync(() => {
        let seen = 0
        const wake = (): void => {
          while (seen < lines.length) listener(lines[seen++]!)
        }
        waiting.add(wake)
        wake()
      }),
    ended: wait(() => ended ? Option.some(undefined) : Option.none())
  }
}
