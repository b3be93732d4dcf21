/**
 * How a test talks with a process that it started: one JSON object per line, on stdin and stdout.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { writeSync } from "node:fs"
import { createInterface } from "node:readline"

/**
 * A message of either side.
 *
 * @since 0.1.0
 * @category models
 */
export type Message = Readonly<Record<string, unknown>>

/**
 * Reads a line as a message; whatever else a process prints is not a message.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (line: string): Option.Option<Message> => {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === "object" && value !== null ? Option.some(value as Message) : Option.none()
  } catch {
    return Option.none()
  }
}

const STDOUT = 1

/**
 * Says something with the time at which it is said. When this returns, the line has left the process: it is read even
 * if the process is killed in the next instant.
 *
 * @since 0.1.0
 * @category combinators
 */
export const say = (event: string, message: Message = {}): void => {
  const at = { wall: Date.now(), monotonic: String(process.hrtime.bigint()) }
  const line = JSON.stringify(
    { event, at, ...message },
    (_, value: unknown) => typeof value === "bigint" ? String(value) : value
  )
  let rest = Buffer.from(`${line}\n`, "utf8")
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(STDOUT, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error
    }
  }
}

/**
 * What is said to this process, until its stdin ends.
 *
 * @since 0.1.0
 * @category constructors
 */
export const messages: Stream.Stream<Message> = Stream.suspend(() =>
  Stream.orDie(Stream.fromAsyncIterable(createInterface({ input: process.stdin }), (error) => error))
).pipe(Stream.filterMap(parse))
