/**
 * What `@effect/cli` asks of a platform: files to check and a terminal to ask at. Our options do neither, and the real
 * layers would cost every start their loading.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Terminal from "@effect/platform/Terminal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const quit = Effect.fail(new Terminal.QuitException())

const terminal = Layer.succeed(
  Terminal.Terminal,
  Terminal.Terminal.of({
    columns: Effect.succeed(80),
    rows: Effect.succeed(24),
    isTTY: Effect.succeed(false),
    readInput: Effect.orDie(quit),
    readLine: quit,
    display: () => Effect.void
  })
)

/**
 * A platform without files, on which no person can be asked.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<FileSystem.FileSystem | Path.Path | Terminal.Terminal> = Layer.mergeAll(
  FileSystem.layerNoop({}),
  Path.layer,
  terminal
)
