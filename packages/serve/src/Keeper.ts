/**
 * The keeper of a home: it hands out access tokens of its logins, to the user over a socket of the user's own, and to
 * agents that show a key.
 *
 * Nothing needs it. It takes part in the transaction like every other process of the home: what it redeems is redeemed under
 * the tenant's lock, and what another process stores it adopts. So it can be killed, stopped and started at any time, and
 * programs that ask it can be mixed with programs that do not.
 *
 * When the scope closes nothing new is taken on, what is under way may end within `grace`, and what is left is cut.
 *
 * @since 0.1.0
 */
import type { CredentialStore } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError, LockUnavailable } from "@lockstep/core/Errors"
import type { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type * as Sweep from "@lockstep/core/Sweep"
import * as AtomicFile from "@lockstep/node/AtomicFile"
import * as FileAgentKeys from "@lockstep/node/FileAgentKeys"
import * as BoundedServer from "@lockstep/node/network/BoundedServer"
import * as LoopbackServers from "@lockstep/node/network/LoopbackServers"
import * as PeerCredentials from "@lockstep/node/network/PeerCredentials"
import * as Workload from "@lockstep/node/network/Workload"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import type { Server } from "node:http"
import * as Path from "node:path"
import * as Activation from "./Activation.js"
import * as AuditLog from "./AuditLog.js"
import { Ending } from "./Ending.js"
import * as KeeperApp from "./KeeperApp.js"
import * as KeeperDesk from "./KeeperDesk.js"
import * as KeeperEvents from "./KeeperEvents.js"
import type * as KeeperGuard from "./KeeperGuard.js"
import { KeeperHost } from "./KeeperHost.js"
import * as KeeperLock from "./KeeperLock.js"
import * as KeeperNote from "./KeeperNote.js"
import * as KeeperSocket from "./KeeperSocket.js"
import * as KeeperSweep from "./KeeperSweep.js"
import { KeeperUnavailable } from "./KeeperUnavailable.js"
import * as Usage from "./Usage.js"

/**
 * What a keeper takes on at most. Durations are milliseconds, sizes bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Requests under way at one time; one more is answered 503. 1,024. */
  readonly requests: number
  /** Connections at each door of callers that are known; one more is closed. 1,024. */
  readonly connections: number
  /** Connections beside them of callers that are not, yet; when one more comes, the oldest is closed. 256. */
  readonly strangers: number
  /** Of request line and header fields. 16 KiB. */
  readonly header: number
  /** Until a whole request has come. 10 s. */
  readonly requestTimeout: number
  /** Without a byte in either direction on a connection. 2 min. */
  readonly idle: number
  /** For what is under way when the keeper ends. 5 s. */
  readonly grace: number
}

/**
 * The limits where none are given.
 *
 * @since 0.1.0
 * @category defaults
 */
export const LIMITS: Limits = {
  requests: 1_024,
  connections: 1_024,
  strangers: 256,
  header: 16_384,
  requestTimeout: 10_000,
  idle: 120_000,
  grace: 5_000
}

/**
 * How to keep.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The store file of the home and the directory of its locks, links resolved. */
  readonly file: string
  readonly lockDirectory: string
  readonly trustRemote?: boolean
  /** The socket of the user's own. `KeeperSocket.defaultPath`. */
  readonly socket: string
  /** A socket that other users reach, where everyone needs a key. None. */
  readonly shared?: string | undefined
  /** A port of loopback, where everyone needs a key; 0 is any that is free. None. */
  readonly port?: number | undefined
  /** Sockets that the service manager handed over, in place of `socket`. */
  readonly handed?: ReadonlyArray<Activation.Handed>
  /** What is refreshed ahead of expiry. `Used`. */
  readonly ahead?: KeeperSweep.Ahead
  /** The file of the audit; standard error where none is named. */
  readonly audit: string | undefined
  readonly limits?: Partial<Limits>
  /** Called when the keeper ends while requests are under way; what it is given cuts them at once. */
  readonly onDrain?: (hurry: () => void) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * A keeper that listens.
 *
 * @since 0.1.0
 * @category models
 */
export interface Keeper {
  /** The path of the user's own socket; nothing where only others were handed over. */
  readonly socket: string | undefined
  readonly shared: string | undefined
  /** `http://127.0.0.1:PORT`. */
  readonly url: string | undefined
  /** How many requests are under way. */
  readonly requests: () => number
  /** What is refreshed ahead of expiry, and how that goes; nothing where nothing is. */
  readonly sweep: Sweep.Sweep | undefined
}

/** Milliseconds that a client's connection may be idle between two requests. */
const KEEP_ALIVE = 60_000

/** `FileDescriptorName=` of the socket that is given to others. */
const SHARED = "shared"

const settingsOf = (limits: Limits): BoundedServer.Settings => ({
  http: {
    maxHeaderSize: limits.header,
    headersTimeout: limits.requestTimeout,
    requestTimeout: limits.requestTimeout,
    keepAliveTimeout: KEEP_ALIVE,
    connectionsCheckingInterval: 1_000
  },
  maxConnections: limits.connections,
  maxStrangers: limits.strangers,
  maxRequestsPerSocket: 0,
  answersExpectation: true,
  oversize: "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
})

const LOOPBACK = ["127.0.0.1", "::1"]

/** Which door a socket is that was handed over, as it turns out when it listens. */
const doorOf = (
  address: ReturnType<Server["address"]>,
  { fd, name }: Activation.Handed
): Effect.Effect<KeeperGuard.Door, KeeperUnavailable> => {
  if (typeof address === "string") {
    // Its mode is the service manager's to say: only the kernel's word tells one user from another there.
    return Effect.succeed(name === SHARED || !PeerCredentials.isTold() ? "Shared" : "Own")
  }
  return address !== null && LOOPBACK.includes(address.address)
    ? Effect.succeed("Loopback")
    : new KeeperUnavailable({
      reason: "Inherited",
      place: `descriptor ${fd}`,
      detail: "a keeper listens on Unix sockets and on loopback alone"
    })
}

/** Leaves a note in the home for as long as the scope lives. */
const leaveNote = (
  home: string,
  note: KeeperNote.KeeperNote
): Effect.Effect<void, CredentialStoreError, Scope.Scope> => {
  const path = Path.join(home, KeeperNote.FILE)
  return Effect.acquireRelease(
    AtomicFile.replace(path, `${JSON.stringify(note)}\n`),
    () => Effect.sync(() => Fs.rmSync(path, { force: true }))
  )
}

/**
 * Listens.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (
  options: Options
): Effect.Effect<
  Keeper,
  KeeperUnavailable | CredentialStoreError | LockUnavailable,
  CredentialStore | KeeperHost | RefreshCoordinator | RefreshPolicy | Scope.Scope
> =>
  Effect.gen(function*() {
    const limits = { ...LIMITS, ...options.limits }
    const { home } = yield* KeeperHost
    yield* KeeperLock.take({
      file: options.file,
      lockDirectory: options.lockDirectory,
      trustRemote: options.trustRemote === true,
      there: Effect.sync(() => Option.map(Option.fromNullable(KeeperNote.read(home)), KeeperNote.place))
    })
    const audit = yield* AuditLog.open({ path: options.audit })
    const workload = yield* Workload.make({ limit: limits.requests, idle: Infinity })
    const ended = yield* Deferred.make<void>()
    // Built within this scope: what is provided to an effect ends with that effect, and its fibers with it.
    const around = yield* Layer.build(Layer.mergeAll(
      Usage.layer,
      KeeperEvents.layer,
      Layer.succeed(Ending, { begun: Deferred.await(ended) })
    ))
    const { ahead = "Used" } = options
    const sweep = ahead === "Nothing" ? undefined : yield* Effect.provide(KeeperSweep.start(ahead), around)
    const handle = yield* Effect.provide(KeeperApp.make(audit), around)
    const desk = KeeperDesk.make({
      keys: FileAgentKeys.reader(home),
      owner: process.geteuid?.(),
      audit,
      workload,
      handle
    })
    const settings = settingsOf(limits)
    const servers: Array<Server> = []

    const serve = <E, R>(
      door: () => KeeperGuard.Door,
      listen: (server: Server) => Effect.Effect<void, E, R>
    ): Effect.Effect<Server, E, R | Scope.Scope> =>
      Effect.gen(function*() {
        const server = yield* Effect.acquireRelease(
          Effect.sync(() =>
            BoundedServer.make((request, response, admit) => desk(door())(request, response, admit), settings)
          ),
          BoundedServer.close
        )
        server.setTimeout(limits.idle)
        yield* listen(server)
        servers.push(server)
        return server
      })

    const at = (path: string, shared: boolean) =>
      serve(() => shared ? "Shared" : "Own", (server) => KeeperSocket.listen(server, path, { shared }))

    let socket: string | undefined
    let { shared } = options
    let url: string | undefined
    const handed = options.handed ?? []
    for (const one of handed) {
      // Until it is known what it is, everyone needs a key.
      let door: KeeperGuard.Door = "Shared"
      const server = yield* serve(() => door, (server) =>
        Effect.mapError(
          BoundedServer.listen(server, { fd: one.fd }),
          (detail) => new KeeperUnavailable({ reason: "Inherited", place: `descriptor ${one.fd}`, detail })
        ))
      const address = server.address() ?? Activation.pathOf(one.fd) ?? null
      door = yield* doorOf(address, one)
      if (typeof address === "string") {
        if (door === "Own") socket = address
        else shared = address
      } else if (address !== null) url = `http://${address.address}:${address.port}`
    }
    if (handed.length === 0) {
      yield* at(options.socket, false)
      socket = options.socket
    }
    if (socket !== undefined) yield* KeeperSocket.link(home, socket, { stays: handed.length > 0 })
    if (options.shared !== undefined) yield* at(options.shared, true)
    if (options.port !== undefined) {
      const opened = yield* LoopbackServers.open([options.port], desk("Loopback"), Effect.void, settings)
      if (Option.isNone(opened)) {
        return yield* new KeeperUnavailable({
          reason: "Port",
          place: options.port === 0 ? "every port of loopback" : `port ${options.port} of loopback`,
          detail: ""
        })
      }
      for (const server of opened.value.servers) server.setTimeout(limits.idle)
      servers.push(...opened.value.servers)
      url = `http://127.0.0.1:${opened.value.port}`
    }
    yield* leaveNote(home, { pid: process.pid, socket, shared, url })
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(
        Deferred.succeed(ended, undefined),
        workload.drain({
          grace: limits.grace,
          onDrain: options.onDrain ?? (() => Effect.void),
          stop: () => servers.forEach((server) => server.close()),
          onLeft: () => servers.forEach((server) => server.closeIdleConnections())
        })
      )
    )
    return { socket, shared, url, requests: workload.size, sweep }
  })
