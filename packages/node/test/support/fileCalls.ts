import * as Effect from "effect/Effect"
import * as Module from "node:module"

type Call = (...args: ReadonlyArray<unknown>) => unknown

const fs: Record<string, unknown> = Module.createRequire(import.meta.url)("node:fs")

/** Puts something in the place of calls of `node:fs` and returns how to undo it. */
const replace = (names: ReadonlyArray<string>, by: (name: string, original: Call) => Call): () => void => {
  const originals = names.map((name) => [name, fs[name] as Call] as const)
  for (const [name, original] of originals) fs[name] = by(name, original)
  Module.syncBuiltinESMExports()
  return () => {
    for (const [name, original] of originals) fs[name] = original
    Module.syncBuiltinESMExports()
  }
}

/** Runs something and names the calls of `node:fs` that it made, in order. */
export const record = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const calls: Array<string> = []
    const names = Object.keys(fs).filter((name) => name.endsWith("Sync") && typeof fs[name] === "function")
    const undo = replace(names, (name, original) => (...args) => {
      calls.push(name)
      return original(...args)
    })
    return Effect.map(Effect.ensuring(effect, Effect.sync(undo)), (result) => ({ result, calls }))
  })

/** Runs something while one call of `node:fs` fails, except where it need not. */
export const failingUnless = <A, E, R>(
  name: string,
  code: string,
  isFine: () => boolean,
  effect: Effect.Effect<A, E, R>
) =>
  Effect.suspend(() => {
    const undo = replace([name], (_, original) => (...args) => {
      if (isFine()) return original(...args)
      throw Object.assign(new Error(code), { code })
    })
    return Effect.ensuring(effect, Effect.sync(undo))
  })

/** Runs something while one call of `node:fs` fails. */
export const failing = <A, E, R>(name: string, code: string, effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const undo = replace([name], () => () => {
      throw Object.assign(new Error(code), { code })
    })
    return Effect.ensuring(effect, Effect.sync(undo))
  })

/** Runs something while calls of `node:fs` fail, those with a descriptor by the path that it was opened with. */
export const failingWhere = <A, E, R>(
  names: ReadonlyArray<string>,
  code: string,
  isFailing: (path: string) => boolean,
  effect: Effect.Effect<A, E, R>
) =>
  Effect.suspend(() => {
    const pathOf = (of: unknown): string => {
      if (typeof of !== "number") return String(of)
      try {
        return (fs["readlinkSync"] as Call)(`/proc/self/fd/${of}`) as string
      } catch {
        return ""
      }
    }
    const undo = replace(names, (_, original) => (...args) => {
      if (!isFailing(pathOf(args[0]))) return original(...args)
      throw Object.assign(new Error(code), { code })
    })
    return Effect.ensuring(effect, Effect.sync(undo))
  })

/** Runs something, and something else before or after the first call of `node:fs` of that name. */
export const around = <A, E, R>(
  name: string,
  { after, before, when }: {
    readonly when: (...args: ReadonlyArray<unknown>) => boolean
    readonly before?: () => void
    readonly after?: () => void
  },
  effect: Effect.Effect<A, E, R>
) =>
  Effect.suspend(() => {
    let done = false
    const undo = replace([name], (_, original) => (...args) => {
      if (done || !when(...args)) return original(...args)
      done = true
      before?.()
      try {
        return original(...args)
      } finally {
        after?.()
      }
    })
    return Effect.ensuring(effect, Effect.sync(undo))
  })

/** Runs something on a kernel whose file times advance in steps of 10 ms, as those before Linux 6.13 do. */
export const withCoarseTimes = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const undo = replace(["lstatSync", "fstatSync"], (_, original) => (...args) => {
      const stat = original(...args) as Record<string, unknown> | undefined
      for (const name of ["mtimeNs", "ctimeNs"]) {
        const time = stat?.[name]
        if (typeof time === "bigint") stat![name] = time - time % 10_000_000n
      }
      return stat
    })
    return Effect.ensuring(effect, Effect.sync(undo))
  })
