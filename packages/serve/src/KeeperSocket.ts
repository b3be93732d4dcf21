/**
 * The sockets of a keeper: its own, which no other user reaches, and the one that is given to others.
 *
 * @since 0.1.0
 */
import * as BoundedServer from "@lockstep/node/network/BoundedServer"
import * as UnixSocket from "@lockstep/node/network/UnixSocket"
import * as Ownership from "@lockstep/node/Ownership"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import type { Server } from "node:http"
import * as Path from "node:path"
import { KeeperUnavailable } from "./KeeperUnavailable.js"
import * as KeeperWire from "./KeeperWire.js"

const ofUser = 0o600
/** Everyone may connect: who has no key is told nothing. */
const ofAll = 0o666

/**
 * Where the socket of a home is: in it, or in the session's directory where its path is too long for one.
 *
 * @since 0.1.0
 * @category getters
 */
export const defaultPath = (home: string, env: NodeJS.ProcessEnv): string => {
  const inHome = Path.join(home, KeeperWire.SOCKET)
  const runtime = env["XDG_RUNTIME_DIR"]
  if (UnixSocket.isPossible(inHome) || runtime === undefined || !Path.isAbsolute(runtime)) return inHome
  const name = Crypto.createHash("sha256").update(home).digest("hex").slice(0, 16)
  return Path.join(runtime, "lockstep", `serve-${name}.sock`)
}

const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException | undefined)?.code ?? "UNKNOWN"

/** Makes room at a path: a socket at which no process listens is what a keeper left that was killed. */
const clear = (path: string): Effect.Effect<void, KeeperUnavailable> =>
  Effect.flatMap(UnixSocket.look(path), (found) => {
    switch (found) {
      case "Absent":
        return Effect.void
      case "Stale":
        return Effect.sync(() => Fs.rmSync(path, { force: true }))
      case "Listening":
        return new KeeperUnavailable({ reason: "Taken", place: path, detail: "" })
      case "Foreign":
        return new KeeperUnavailable({ reason: "Foreign", place: path, detail: "" })
    }
  })

/**
 * Listens at a path, for as long as the scope lives. `shared`: other users can connect.
 *
 * @since 0.1.0
 * @category constructors
 */
export const listen = (
  server: Server,
  path: string,
  { shared }: { readonly shared: boolean }
): Effect.Effect<void, KeeperUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    if (!UnixSocket.isPossible(path)) {
      return yield* new KeeperUnavailable({ reason: "Path", place: path, detail: "ENAMETOOLONG" })
    }
    const directory = Path.dirname(path)
    yield* Effect.mapError(
      Ownership.makeDirectory(directory),
      ({ detail = "" }) => new KeeperUnavailable({ reason: "Path", place: path, detail })
    )
    const exposure = Ownership.exposureOf(directory, "writable")
    if (exposure !== undefined) {
      return yield* new KeeperUnavailable({ reason: "Open", place: directory, detail: exposure.detail })
    }
    yield* clear(path)
    yield* Effect.acquireRelease(
      Effect.mapError(
        // Bound within the call: the socket has no other mode at any moment.
        Effect.suspend(() =>
          UnixSocket.withMode(shared ? ofAll : ofUser, () => BoundedServer.listenNow(server, { path }))
        ),
        (detail) => new KeeperUnavailable({ reason: "Path", place: path, detail })
      ),
      () => Effect.sync(() => Fs.rmSync(path, { force: true }))
    )
  })

/**
 * Leaves a link to the socket in the home, where clients look, for as long as the scope lives; or for good, where the
 * socket stays when the keeper ends, and starts another one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const link = (
  home: string,
  path: string,
  { stays }: { readonly stays: boolean }
): Effect.Effect<void, KeeperUnavailable, Scope.Scope> => {
  const named = Path.join(home, KeeperWire.SOCKET)
  if (named === path) return Effect.void
  const failed = (cause: unknown) => new KeeperUnavailable({ reason: "Path", place: named, detail: codeOf(cause) })
  return Effect.gen(function*() {
    const isLink = Fs.lstatSync(named, { throwIfNoEntry: false })?.isSymbolicLink() === true
    if (!isLink) yield* clear(named)
    yield* Effect.acquireRelease(
      Effect.try({
        try: () => {
          if (isLink) Fs.rmSync(named, { force: true })
          Fs.symlinkSync(path, named)
        },
        catch: failed
      }),
      () => Effect.sync(() => stays ? undefined : Fs.rmSync(named, { force: true }))
    )
  })
}
