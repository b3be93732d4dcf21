/**
 * The kinds of store that a home can have.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Home } from "../Home.js"
import type { StoreKind } from "../HomePin.js"
import * as FileStore from "./FileStore.js"
import * as KeyringStore from "./KeyringStore.js"
import * as SecretsStore from "./SecretsStore.js"
import type { StoreDescriptor } from "./StoreDescriptor.js"

/**
 * All of them. The first is the one that a home gets where nothing else is said.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReadonlyArray<StoreDescriptor> = [FileStore.store, KeyringStore.store, SecretsStore.store]

/**
 * Their names.
 *
 * @since 0.1.0
 * @category constants
 */
export const names: ReadonlyArray<StoreKind> = all.map(({ name }) => name)

/**
 * Finds the store of a name; `undefined` where this version has no store of that name.
 *
 * @since 0.1.0
 * @category getters
 */
export const find = (name: string): StoreDescriptor | undefined => all.find((store) => store.name === name)

/**
 * The kinds that this process knows: those of this package, and what a program brings beside them.
 *
 * @since 0.1.0
 * @category services
 */
export class StoreKinds extends Context.Reference<StoreKinds>()("@lockstep/node/stores/StoreKinds", {
  defaultValue: (): ReadonlyArray<StoreDescriptor> => all
}) {}

/**
 * Finds the store that a home has. Fails where the home was pinned by a version that knows more kinds of store.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (
  home: Pick<Home["Type"], "directory" | "store">
): Effect.Effect<StoreDescriptor, CredentialStoreError> =>
  Effect.flatMap(StoreKinds, (kinds) => {
    const store = kinds.find(({ name }) => name === home.store)
    return store === undefined
      ? new CredentialStoreError({
        reason: "Superseded",
        location: home.directory,
        detail: `its store is ${home.store}, which this version does not know`,
        remedy: "update lockstep to the version that made this store; nothing was changed"
      })
      : Effect.succeed(store)
  })
