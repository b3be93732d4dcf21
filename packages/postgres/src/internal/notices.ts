/**
 * What sessions say to each other of tenants: one word for each that changed or was released, on the channel of their fleet.
 *
 * What is said within a few milliseconds goes as one, in a statement of its own: within the write it would have every commit
 * of the server wait for it. A word that is lost costs its hearers one look.
 */
import * as Effect from "effect/Effect"
import type { PostgresFailure } from "../PostgresFailure.js"
import type { Key } from "../PostgresSignals.js"
import type { Answer } from "./connection.js"

/** Milliseconds in which what is to be said is gathered, and bytes that fit into one notification. */
const GATHER = 5
const PAYLOAD_LIMIT = 7_900

/** Listeners are told at once; nothing of it has to outlive a crash. */
const SAY = "select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)"

/** One channel for each fleet of a server. */
export const channelOf = (fleet: string): string => `lockstep_${fleet.replaceAll("-", "")}`

/** Takes a payload apart. */
export const read = (
  payload: string,
  heard: (key: Key, generation: number, released: boolean) => void
): void => {
  for (const word of payload.split(",")) {
    const match = /^([0-9a-f]{16}):(\d+)(!?)$/.exec(word)
    if (match !== null) heard(match[1]!, Number(match[2]), match[3] === "!")
  }
}

interface Speaker {
  readonly fleet: string
  readonly query: (text: string, values: ReadonlyArray<unknown>) => Effect.Effect<Answer, PostgresFailure>
}

/** What has to be said, until it is. `speaker` tells the session that says it, if there is one by then. */
export const make = (speaker: () => Speaker | undefined) => {
  const toSay = new Map<Key, string>()
  let later: NodeJS.Timeout | undefined

  const say = Effect.suspend(() => {
    clearTimeout(later)
    later = undefined
    const texts: Array<string> = []
    for (const word of toSay.values()) {
      const last = texts.length - 1
      if (last >= 0 && texts[last]!.length + word.length + 1 <= PAYLOAD_LIMIT) texts[last] += `,${word}`
      else texts.push(word)
    }
    toSay.clear()
    return Effect.forEach(
      texts,
      (text) =>
        Effect.suspend(() => {
          const by = speaker()
          return by === undefined ? Effect.void : Effect.ignore(by.query(SAY, [channelOf(by.fleet), text]))
        }),
      { discard: true }
    )
  })
  return {
    /** Says it within a few milliseconds. */
    add: (key: Key, generation: number, released: boolean): void => {
      toSay.set(key, `${key}:${generation}${released || toSay.get(key)?.endsWith("!") === true ? "!" : ""}`)
      later ??= setTimeout(() => Effect.runFork(say), GATHER)
    },
    /** Says what is left now. */
    say
  }
}
