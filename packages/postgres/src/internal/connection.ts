/**
 * One connection, and statements on it.
 *
 * No statement is ever cancelled: a commit that waits for a standby and is cancelled answers that it is done, and is not.
 * A statement that takes too long ends the connection instead, and its outcome is unknown.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import { isIP } from "node:net"
import Pg from "pg"
import type { PostgresAddress, Server, Tls } from "../PostgresAddress.js"
import { PostgresFailure } from "../PostgresFailure.js"

export type Row = Readonly<Record<string, unknown>>

export interface Answer {
  readonly rows: ReadonlyArray<Row>
  readonly count: number
}

export interface Connection {
  /** Milliseconds bound the wait for the answer; what is over it has an unknown outcome. */
  readonly query: (
    text: string,
    values?: ReadonlyArray<unknown>,
    bound?: number
  ) => Effect.Effect<Answer, PostgresFailure>
  /** The process that the server says it talks to us with. */
  readonly announcedPid: () => number
  readonly isOpen: () => boolean
  readonly onNotice: (listener: (payload: string) => void) => void
  readonly onEnd: (listener: () => void) => void
  /** Ends it in order: what was asked before is answered first. */
  readonly close: Effect.Effect<void>
  /** Cuts it. */
  readonly cut: () => void
}

/** Milliseconds. */
const CONNECT_LIMIT = 5_000
export const STATEMENT_LIMIT = 10_000

/** A commit that did not wait for its standby says so, and counts as done all the same. */
const NOT_REPLICATED = "01000"

const codeOf = (cause: unknown): string => {
  const code = (cause as { readonly code?: unknown } | null)?.code
  if (typeof code === "string" && /^[A-Za-z0-9_]{2,60}$/.test(code)) return code
  const message = (cause as { readonly message?: unknown } | null)?.message
  return typeof message === "string" && message.includes("does not support SSL") ? "no_tls" : "connection_lost"
}

const read = (path: Option.Option<string>) => Option.getOrUndefined(Option.map(path, (one) => Fs.readFileSync(one)))

const tlsOf = ({ authority, certificate, key }: Tls, { host }: Server) => ({
  rejectUnauthorized: true,
  ca: read(authority),
  cert: read(certificate),
  key: read(key),
  ...(isIP(host) === 0 ? { servername: host } : {})
})

const clientOf = (address: PostgresAddress, server: Server): Pg.Client =>
  new Pg.Client({
    host: server.host,
    port: server.port,
    user: Option.getOrUndefined(address.user),
    password: Option.getOrUndefined(Option.map(address.password, Redacted.value)),
    database: Option.getOrUndefined(address.database),
    ssl: Option.match(address.tls, { onNone: () => false, onSome: (tls) => tlsOf(tls, server) }),
    application_name: "lockstep",
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: CONNECT_LIMIT
  })

/** One after the other: a statement that is queued by the client would count as sent. */
const makeTurns = () => {
  const waiting: Array<() => void> = []
  let isBusy = false
  const next = (): void => {
    const first = waiting.shift()
    isBusy = first !== undefined
    first?.()
  }
  return (act: (done: () => void) => void): void => {
    const begin = (): void => {
      let isDone = false
      act(() => {
        if (isDone) return
        isDone = true
        // Not within the answer of the one before, whose caller goes on first.
        queueMicrotask(next)
      })
    }
    if (isBusy) return void waiting.push(begin)
    isBusy = true
    begin()
  }
}

const wrap = (client: Pg.Client): Connection => {
  const inTurn = makeTurns()
  let open = true
  let degraded = false
  const ended = new Set<() => void>()
  const end = (): void => {
    if (!open) return
    open = false
    for (const listener of ended) listener()
  }
  const cut = (): void => {
    ;(client as unknown as { readonly connection: { readonly stream: { destroy: () => void } } }).connection.stream
      .destroy()
    end()
  }
  client.on("error", end)
  client.on("end", end)
  client.on("notice", ({ code }) => {
    if (code === NOT_REPLICATED) degraded = true
  })
  return {
    announcedPid: () => (client as unknown as { readonly processID: number }).processID,
    isOpen: () => open,
    onNotice: (listener) => void client.on("notification", ({ payload }) => listener(payload ?? "")),
    onEnd: (listener) => void ended.add(listener),
    query: (text, values = [], bound = STATEMENT_LIMIT) =>
      Effect.async<Answer, PostgresFailure>((resume) =>
        inTurn((done) => {
          // What was not sent when the connection ended was not carried out either.
          if (!open) {
            done()
            return resume(Effect.fail(new PostgresFailure({ kind: "Unreachable", code: "connection_lost" })))
          }
          const timer = setTimeout(() => {
            resume(Effect.fail(new PostgresFailure({ kind: "Unknown", code: "no_answer" })))
            cut()
            done()
          }, bound)
          const config = values.length === 0 ? { text } : { text, values: [...values] }
          client.query(config, (cause: Error | null, result) => {
            clearTimeout(timer)
            done()
            const isDurable = !degraded
            degraded = false
            if (cause !== null && cause !== undefined) {
              const severity = (cause as { readonly severity?: string }).severity
              // An error of the server's is an answer; the loss of the connection is none, whatever took it away.
              const kind = severity === "ERROR" ? "Refused" : "Unknown"
              return resume(Effect.fail(new PostgresFailure({ kind, code: codeOf(cause) })))
            }
            if (!isDurable) {
              return resume(Effect.fail(new PostgresFailure({ kind: "Unknown", code: "not_replicated" })))
            }
            const last = Array.isArray(result) ? result[result.length - 1] : result
            resume(Effect.succeed({ rows: last.rows as ReadonlyArray<Row>, count: last.rowCount ?? 0 }))
          })
        })
      ),
    close: Effect.async<void>((resume) => {
      if (!open) return resume(Effect.void)
      const timer = setTimeout(cut, 2_000)
      ended.add(() => {
        clearTimeout(timer)
        resume(Effect.void)
      })
      // Its promise is settled before the socket is closed, or never.
      void client.end().catch(() => cut())
    }),
    cut
  }
}

/** Connects to one server. Interrupted, it leaves no connection behind. */
export const connect = (address: PostgresAddress, server: Server): Effect.Effect<Connection, PostgresFailure> =>
  Effect.async<Connection, PostgresFailure>((resume) => {
    const unreachable = (cause: unknown) => new PostgresFailure({ kind: "Unreachable", code: codeOf(cause) })
    let client: Pg.Client
    try {
      client = clientOf(address, server)
    } catch (cause) {
      return resume(Effect.fail(unreachable(cause)))
    }
    const connection = wrap(client)
    client.connect((cause: Error | null | undefined) => {
      if (cause !== null && cause !== undefined) {
        connection.cut()
        return resume(Effect.fail(unreachable(cause)))
      }
      resume(Effect.succeed(connection))
    })
    return Effect.sync(connection.cut)
  })
