import * as Effect from "effect/Effect"

/** What the plain file does not need, loaded where it is. */
export const others = Effect.promise(() => import("./otherStores.js"))
