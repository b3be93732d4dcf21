/** A keeper as a real process, and requests in bytes as any client sends them. */
import { assert } from "@effect/vitest"
import type * as KeeperWire from "@lockstep/serve/KeeperWire"
import type * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import * as Http from "node:http"
import { join } from "node:path"
import type * as Stage from "./Stage.js"

export interface Place {
  readonly socketPath?: string
  readonly url?: string
}

export interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Http.IncomingHttpHeaders
}

export interface Init {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Whether the header field is left out that every request has. */
  readonly bare?: boolean
}

/** Asks on a connection of its own. A connection that ends without an answer has the status 0. */
export const ask = (place: Place, path: string, init: Init = {}): Effect.Effect<Answer> =>
  Effect.async((resume) => {
    const options: Http.RequestOptions = {
      agent: false,
      path,
      method: init.method ?? "GET",
      headers: { ...(init.bare === true ? {} : { "Lockstep-Client": "tests" }), ...init.headers },
      ...(place.socketPath === undefined ? {} : { socketPath: place.socketPath })
    }
    const over = (cause: Error) =>
      resume(Effect.succeed({ status: 0, text: (cause as NodeJS.ErrnoException).code ?? "", headers: {} }))
    const onAnswer = (response: Http.IncomingMessage) => {
      let text = ""
      response.on("data", (chunk: Buffer) => (text += chunk.toString()))
      response.on("error", () => resume(Effect.succeed({ status: 0, text, headers: response.headers })))
      response.on("end", () =>
        resume(Effect.succeed({ status: response.statusCode ?? 0, text, headers: response.headers })))
    }
    const request = place.url === undefined
      ? Http.request(options, onAnswer)
      : Http.request(place.url, options, onAnswer)
    request.on("error", over)
    request.end(init.body === undefined ? undefined : JSON.stringify(init.body))
  })

/** Waits until a request that is not answered yet has had so many signs of life. */
export const signsOfLife = (place: Place, path: string, count: number): Effect.Effect<void> =>
  Effect.async((resume) => {
    let seen = 0
    const request = Http.request({
      agent: false,
      path,
      headers: { "Lockstep-Client": "tests", Prefer: "processing" },
      ...(place.socketPath === undefined ? {} : { socketPath: place.socketPath })
    })
    request.on("information", () => {
      if (++seen === count) {
        request.destroy()
        resume(Effect.void)
      }
    })
    request.on("error", () => {})
    request.end()
  })

export const jsonOf = <A = Record<string, unknown>>({ text }: Answer): A => JSON.parse(text) as A

export const tokenOf = (answer: Answer): KeeperWire.TokenAnswer => {
  assert.strictEqual(answer.status, 200, answer.text)
  return jsonOf(answer)
}

export const problemOf = (answer: Answer): KeeperWire.Problem => jsonOf<KeeperWire.ProblemAnswer>(answer).error

export interface Listening {
  readonly socket: string
  readonly url: string | null
  readonly agent_socket?: string
}

/** A home in which commands are run. */
export interface Host {
  readonly harness: { readonly home: string }
  readonly start: (
    args: ReadonlyArray<string>,
    circumstances: { readonly env: Readonly<Record<string, string>> }
  ) => ReturnType<Stage.Stage["start"]>
  readonly finish: (child: ChildProcess.Child) => Effect.Effect<Stage.Ran>
}

/** Starts `lockstep serve` and waits until it has said where. */
export const serve = (
  stage: Host,
  args: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = {}
) =>
  Effect.gen(function*() {
    const child = yield* stage.start(["serve", "--json", ...args], { env })
    const where = (yield* child.message((message) => "socket" in message)) as unknown as Listening
    const own: Place = { socketPath: where.socket }
    return {
      child,
      where,
      own,
      tcp: where.url === null ? undefined : { url: where.url } satisfies Place,
      ask: (path: string, init?: Init) => ask(own, path, init),
      /** Ends it by a signal and answers with what it was. */
      end: (signal: NodeJS.Signals = "SIGTERM") => Effect.zipRight(child.signal(signal), stage.finish(child))
    }
  })

export const auditPath = (stage: Pick<Host, "harness">): string => join(stage.harness.home, "serve.audit.jsonl")

/** The lines of the audit. */
export const audit = (stage: Pick<Host, "harness">): ReadonlyArray<Record<string, unknown>> =>
  existsSync(auditPath(stage))
    ? readFileSync(auditPath(stage), "utf8").trimEnd().split("\n").filter((line) => line !== "").map((line) =>
      JSON.parse(line) as Record<string, unknown>
    )
    : []
