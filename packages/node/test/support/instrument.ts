import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import NodeFs from "node:fs"
import { syncBuiltinESMExports } from "node:module"

type Watched = "lutimesSync" | "mkdirSync" | "rmdirSync" | "statSync" | "watch"

/** Tells of every call of a function of `node:fs`, which goes on working, until the scope ends. */
export const onCall = (name: Watched, tell: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(
    Effect.sync(() => {
      const real = NodeFs[name]
      const told = (...args: ReadonlyArray<unknown>): unknown => {
        tell()
        return Reflect.apply(real, NodeFs, args)
      }
      Object.assign(NodeFs, { [name]: told })
      syncBuiltinESMExports()
      return real
    }),
    (real) =>
      Effect.sync(() => {
        Object.assign(NodeFs, { [name]: real })
        syncBuiltinESMExports()
      })
  ))
