/**
 * The files of other tools as stores that `--store TOOL[:PATH]` and `LOCKSTEP_STORE` may name.
 *
 * @since 0.1.0
 */
import { type ForeignStore, ForeignStores } from "@lockstep/node/stores/ForeignStores"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** A process whose store is its home's own pays for none of the tools. */
const known = Effect.promise(() => import("./internal/known.js"))

/**
 * All tools that are shared in place, loaded when one of them is named.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ForeignStores["Type"] = {
  names: Effect.map(known, ({ ToolFiles }) => ToolFiles.all.map(({ name }) => name)),
  find: (text) =>
    Effect.flatMap(
      known,
      ({ ToolFile, ToolFiles, ToolHome }) =>
        Effect.map(ToolFiles.find(text), ({ path, tool }): ForeignStore => ({
          name: tool.name,
          title: tool.title,
          path,
          limits: ToolFile.limits(tool),
          ports: (options) => ToolHome.layer(tool, path, options)
        }))
    )
}

/**
 * Lets the stores of a process be the files of other tools, too: to be provided to `ResolvedHome.layerFromEnv`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<ForeignStores> = Layer.succeed(ForeignStores, all)
