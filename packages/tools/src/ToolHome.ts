/**
 * Another tool's credential file as a home: its store, its locks, and our journals beside it.
 *
 * Nothing is pinned, since the file is named anew at every call, and no directory is made: a home that the tool has not
 * made is not where the tool looks. Locks lie where the tool's do. `LOCKSTEP_LOCK_DIR` is refused, because the tool would
 * not see what is locked there.
 *
 * @since 0.1.0
 */
import { CredentialStoreError, LockUnavailable } from "@lockstep/core/Errors"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as AtomicFile from "@lockstep/node/AtomicFile"
import * as FileRefreshJournal from "@lockstep/node/FileRefreshJournal"
import { Home } from "@lockstep/node/Home"
import * as LockedPorts from "@lockstep/node/LockedPorts"
import * as FileLock from "@lockstep/node/locks/FileLock"
import { agreeOnce } from "@lockstep/node/locks/LockAgreement"
import { LockFile } from "@lockstep/node/locks/LockFile"
import { LockPaths } from "@lockstep/node/locks/LockPaths"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as Ownership from "@lockstep/node/Ownership"
import * as Refuge from "@lockstep/node/Refuge"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import * as WholeFile from "@lockstep/node/WholeFile"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ToolCredentialStore from "./ToolCredentialStore.js"
import { limits, type ToolDocument, type ToolFile } from "./ToolFile.js"

/**
 * How a tool's file is used.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether locks on remote and shared file systems are believed: `LOCKSTEP_TRUST_LOCKS`. Off. */
  readonly trustLocks?: boolean | undefined
  /** Where the answer of a rotation is kept that the disk of the file refuses. `Refuge.config`. */
  readonly refuges?: ReadonlyArray<Refuge.Refuge> | undefined
}

const movedLocks = Config.option(Config.string("LOCKSTEP_LOCK_DIR")).pipe(
  Config.map(Option.filter((text) => text.trim() !== ""))
)

/** The path as the tool names it: its directory resolved, a last link not. */
const nameOf = (path: string): string => {
  const directory = Path.dirname(path)
  return Path.join(Fs.existsSync(directory) ? Fs.realpathSync(directory) : directory, Path.basename(path))
}

/**
 * Makes the home that a tool's file is. Opens, creates and locks nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  tool: ToolFile,
  path: string,
  options: Pick<Options, "refuges"> = {}
): Effect.Effect<Home["Type"], ConfigError.ConfigError | CredentialStoreError> =>
  Effect.gen(function*() {
    const refuges = options.refuges ?? (yield* Refuge.config)
    const named = Path.resolve(path)
    const directory = Path.dirname(named)
    const file = yield* AtomicFile.resolve(named)
    const lockDirectory = yield* movedLocks

    const isThere = (directory: string) =>
      Fs.existsSync(directory) ? Effect.void : new CredentialStoreError({
        reason: "Write",
        location: directory,
        detail: `it does not exist: ${tool.title} makes it when it is logged in`,
        remedy: `log in with ${tool.title} first, or say where its file is: ${tool.name}:PATH`
      })

    const open = Effect.gen(function*() {
      if (Option.isSome(lockDirectory)) {
        return yield* new LockUnavailable({
          reason: "OtherDomain",
          path: directory,
          detail: `${tool.title} locks beside its file, and LOCKSTEP_LOCK_DIR says ${lockDirectory.value}`,
          remedy: "unset LOCKSTEP_LOCK_DIR for this file"
        })
      }
      for (const one of new Set([directory, Path.dirname(file)])) {
        yield* isThere(one)
        yield* Ownership.claim(one)
      }
      const now = yield* AtomicFile.resolve(named)
      if (now !== file) {
        return yield* new CredentialStoreError({
          reason: "Superseded",
          location: named,
          detail: `it named ${file} when this process opened it, and names ${now} now`
        })
      }
    })

    return Home.of({
      directory,
      store: "file",
      file,
      lockDirectory: Path.dirname(file),
      refuges,
      pin: Effect.succeedNone,
      repin: () =>
        Effect.fail(
          new CredentialStoreError({
            reason: "Write",
            location: named,
            detail: `it belongs to ${tool.title}, and is never moved`
          })
        ),
      check: Effect.void,
      agree: open,
      open
    })
  })

/** Reads the file, where the name of a lock depends on what is in it; again only when it changed. */
const makePeek = (tool: ToolFile, file: string): () => Option.Option<ToolDocument> => {
  let seen: WholeFile.Identity | undefined
  let document: Option.Option<ToolDocument> = Option.none()
  return () => {
    const identity = WholeFile.look(file)
    if (identity === undefined || identity !== seen) {
      document = Effect.runSync(
        WholeFile.read(file).pipe(
          Effect.flatten,
          Effect.flatMap(({ bytes }) => WholeFile.decodeText(file, bytes)),
          Effect.flatMap((text) => tool.codec.parse(text)),
          Effect.option
        )
      )
      seen = identity
    }
    return document
  }
}

/**
 * The locks of a tool's file: our own sidecars, then those of the tool in its order.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerLockPaths = (tool: ToolFile, path: string): Layer.Layer<LockPaths, never, Home> =>
  Layer.effect(
    LockPaths,
    Effect.map(Home, (home) => {
      const directory = Path.dirname(home.file)
      const store = Path.basename(home.file)
      const peek = makePeek(tool, home.file)
      return LockPaths.of({
        directory,
        plan: (target) => [
          LockFile.Kernel({ path: Path.join(directory, SidecarNames.lock(store, target)) }),
          ...tool.locks(nameOf(Path.resolve(path)), target, peek)
        ],
        prepare: agreeOnce(home)
      })
    })
  )

/**
 * The ports of the refresh transaction over another tool's file.
 *
 * Refuses to build where the bounds do not suit the tool: its waiters would give up on us. Building it opens, creates and
 * locks nothing.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  tool: ToolFile,
  path: string,
  options: Options = {}
): Layer.Layer<
  LockedPorts.Ports,
  ConfigError.ConfigError | CredentialStoreError,
  RefreshPolicy.RefreshPolicy
> => {
  const suits = Layer.effectDiscard(
    Effect.flatMap(
      RefreshPolicy.RefreshPolicy,
      (policy) => Either.map(RefreshPolicy.make(policy, limits(tool)), () => undefined)
    )
  )
  const parts = Layer.mergeAll(ToolCredentialStore.layer(tool), FileRefreshJournal.layer, NodeHost.layer, suits).pipe(
    Layer.provideMerge(Layer.provide(FileLock.layer(options.trustLocks), layerLockPaths(tool, path))),
    Layer.provideMerge(Layer.effect(Home, make(tool, path, options)))
  )
  return Layer.provideMerge(LockedPorts.custody, parts)
}
