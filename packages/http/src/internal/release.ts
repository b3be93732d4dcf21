import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const BYTES = 65_536
const TIME = "1 second"

/** Lets go of a response that is not read: it is read to its end, which keeps the connection, unless it is long or slow. */
export const release = (response: HttpClientResponse): Effect.Effect<void> =>
  response.stream.pipe(
    Stream.mapAccum(0, (total, chunk) => [total + chunk.length, total + chunk.length] as const),
    Stream.takeWhile((total) => total < BYTES),
    Stream.runDrain,
    Effect.timeoutOption(TIME),
    Effect.ignore
  )
