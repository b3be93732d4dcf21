/**
 * Lockstep's ways to a token, the hot and the cold ones. Each of many logins is asked for in turn.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Lockstep from "../contender/Lockstep.js"
import type { Ask, Reader } from "../Reader.js"
import { login } from "../Reader.js"

const seed = (home: string, tenants: number): Effect.Effect<ReadonlyArray<TenantId.TenantId>> => {
  const names = Array.from({ length: tenants }, (_, index) => `t${index}`)
  return Effect.as(SeededHome.write(home, names.map(login)), names.map((name) => TenantId.make(name)))
}

type Services = RefreshCoordinator.RefreshCoordinator | CredentialStore

const warm = (
  name: string,
  label: string,
  ask: (context: Context.Context<Services>, tenants: ReadonlyArray<TenantId.TenantId>) => Ask
): Reader => ({
  name,
  label,
  open: (home, count) =>
    Effect.gen(function*() {
      const tenants = yield* seed(home, count)
      const context = yield* Layer.build(Lockstep.layer(home))
      return ask(context, tenants)
    })
})

/**
 * From memory, composed into an Effect.
 *
 * @since 0.1.0
 * @category constructors
 */
export const direct: Reader = warm("lockstep-direct", "Lockstep accessToken, in an Effect", (context, tenants) => {
  const coordinator = Context.get(context, RefreshCoordinator.RefreshCoordinator)
  return (times) =>
    Effect.gen(function*() {
      for (let count = 0; count < times; count++) yield* coordinator.accessToken(tenants[count % tenants.length]!)
    })
})

/**
 * From memory, out of code that knows no Effect.
 *
 * @since 0.1.0
 * @category constructors
 */
export const promised: Reader = warm("lockstep-promise", "Lockstep accessToken, runPromise", (context, tenants) => {
  const coordinator = Context.get(context, RefreshCoordinator.RefreshCoordinator)
  const runPromise = Runtime.runPromise(Runtime.defaultRuntime)
  return (times) =>
    Effect.promise(async () => {
      for (let count = 0; count < times; count++) {
        await runPromise(coordinator.accessToken(tenants[count % tenants.length]!))
      }
    })
})

/**
 * From the store, which looks whether its file is the one that it knows.
 *
 * @since 0.1.0
 * @category constructors
 */
export const stored: Reader = warm("lockstep-store", "Lockstep store, known file", (context, tenants) => {
  const store = Context.get(context, CredentialStore)
  return (times) =>
    Effect.gen(function*() {
      for (let count = 0; count < times; count++) yield* store.get(tenants[count % tenants.length]!)
    })
})

/**
 * From the file, by a process that has just opened its home.
 *
 * @since 0.1.0
 * @category constructors
 */
export const cold: Reader = {
  name: "lockstep-cold",
  label: "Lockstep, open the home and read the file",
  open: (home, count) =>
    Effect.map(seed(home, count), (tenants): Ask => (times) => {
      const once = Effect.flatMap(
        Layer.build(Lockstep.layer(home)),
        (context) => Context.get(context, CredentialStore).get(tenants.at(-1)!)
      )
      return Effect.replicateEffect(Effect.filterOrDie(Effect.scoped(once), Option.isSome, () => "no login"), times, {
        discard: true
      })
    })
}
