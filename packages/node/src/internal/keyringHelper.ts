/**
 * The process that asks the keyring for us. A call that hangs holds up a thread for ever, and a thread that writes
 * cannot be stopped; a process can, and once it has ended nothing of its call is on the way any more.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import type { Socket } from "node:net"
import { KeyringError } from "../keyring/Keyring.js"

/** How the helper is started. */
export interface Command {
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string | undefined>>
}

export type Message = Readonly<Record<string, unknown>>

export interface Helper {
  /**
   * Asks and waits. Milliseconds; after them, and when it is interrupted, the helper has ended before this does. They count
   * from the question on, or from the start of the helper where there is time for it.
   */
  readonly ask: (question: Message, patience: number, starting?: number) => Effect.Effect<Message, KeyringError>
}

interface Running {
  readonly child: ChildProcess.ChildProcess
  readonly ended: Promise<void>
  hasEnded: boolean
  /** Whether it has said that it has started. */
  isReady: boolean
  /** Hears of that. */
  onReady: (() => void) | undefined
  /** Takes what comes: a line, or `undefined` when nothing comes any more. One call is on its way at most. */
  listener: ((line: string | undefined) => void) | undefined
}

/** Characters. No answer of ours is longer than an entry, and a keyring takes none of that size. */
const LONGEST = 64 * 1_024 * 1_024

/** What the helper says first. One that says nothing is waited for as long as it may take to start. */
const READY = "{\"ready\":true}"

const parse = (line: string): Option.Option<Message> => {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === "object" && value !== null ? Option.some(value as Message) : Option.none()
  } catch {
    return Option.none()
  }
}

const start = ({ args, env, program }: Command): Running => {
  const child = ChildProcess.spawn(program, args, {
    stdio: ["pipe", "pipe", "ignore"],
    env,
    windowsHide: true,
    // Out of the terminal's reach: Ctrl-C ends us in our own time, and we may have a token to put away.
    detached: process.platform !== "win32"
  })
  let end: () => void
  const running: Running = {
    child,
    ended: new Promise((resolve) => {
      end = resolve
    }),
    hasEnded: false,
    isReady: false,
    onReady: undefined,
    listener: undefined
  }
  const finish = () => {
    running.hasEnded = true
    end()
    running.listener?.(undefined)
  }
  child.once("exit", finish)
  child.once("error", finish)
  // It may have gone before it reads; its end says so.
  child.stdin!.on("error", () => {})
  let rest = ""
  child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
    rest += chunk
    const lines = rest.split("\n")
    rest = lines.pop()!
    for (const line of lines) {
      if (line === READY && !running.isReady) {
        running.isReady = true
        running.onReady?.()
      } else running.listener?.(line)
    }
    if (rest.length > LONGEST) child.kill("SIGKILL")
  })
  return running
}

/** Whether the process stays alive for it: only while a call waits for an answer. */
const hold = ({ child }: Running, held: boolean): void => {
  for (const one of [child, child.stdin as Socket, child.stdout as Socket]) {
    if (held) one.ref()
    else one.unref()
  }
}

const stop = (running: Running): Effect.Effect<void> =>
  Effect.promise(() => {
    hold(running, true)
    if (!running.hasEnded) running.child.kill("SIGKILL")
    return running.ended
  })

const unavailable = (detail: string) => new KeyringError({ reason: "Unavailable", detail })

/** Makes the helper; starts nothing. Whatever is started ends with the scope. */
export const make = (command: Command): Effect.Effect<Helper, never, Scope.Scope> =>
  Effect.gen(function*() {
    let running: Running | undefined
    let questions = 0

    const end = Effect.suspend(() => {
      const last = running
      running = undefined
      return last === undefined ? Effect.void : stop(last)
    })
    yield* Effect.addFinalizer(() => end)

    const exchange = (question: Message, patience: number, starting = 0) =>
      Effect.async<Message, KeyringError>((resume) => {
        if (running === undefined || running.hasEnded) running = start(command)
        const current = running
        const id = ++questions
        const forget = () => {
          clearTimeout(timer)
          current.listener = undefined
          current.onReady = undefined
        }
        const settle = (how: Effect.Effect<Message, KeyringError>) => {
          forget()
          resume(how)
        }
        const give = (reason: KeyringError) => settle(Effect.zipRight(end, reason))
        const expire = () => give(new KeyringError({ reason: "Timeout", detail: "it did not answer in time" }))
        let timer = setTimeout(expire, current.isReady ? patience : patience + starting)
        current.onReady = starting === 0 ? undefined : () => {
          clearTimeout(timer)
          timer = setTimeout(expire, patience)
        }
        current.listener = (line) => {
          if (line === undefined) return give(unavailable("its helper ended in the middle of a call"))
          const answer = Option.filter(parse(line), (message) => message["id"] === id)
          if (Option.isNone(answer)) return give(unavailable("its helper said something that is no answer"))
          hold(current, false)
          settle(Effect.succeed(answer.value))
        }
        hold(current, true)
        current.child.stdin!.write(`${JSON.stringify({ id, ...question })}\n`)
        return Effect.suspend(() => {
          forget()
          return end
        })
      })

    return { ask: exchange }
  })
