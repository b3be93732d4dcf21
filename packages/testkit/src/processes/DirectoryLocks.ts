import type * as DirectoryLock from "@lockstep/node/locks/DirectoryLock"
import * as FileLock from "@lockstep/node/locks/FileLock"
import { LockFile } from "@lockstep/node/locks/LockFile"
import { LockPaths } from "@lockstep/node/locks/LockPaths"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { isEvent } from "./LockProcesses.js"

const env = { PATH: process.env["PATH"] ?? "" }

/** The least that the library allows, in milliseconds. */
export const STALE = 2_000

/** A lock with the smallest times that the library and a test can bear. */
export const make = (path: string, times: { readonly stale?: number; readonly heartbeat?: number } = {}) =>
  LockFile.Directory({
    path,
    stale: Duration.millis(times.stale ?? STALE),
    heartbeat: Duration.millis(times.heartbeat ?? STALE / 10)
  })

/** Names that end in `.d` are directories, the others sidecars. */
export const paths = (directory: string, names: ReadonlyArray<string>): LockPaths["Type"] => ({
  directory,
  plan: () =>
    names.map((name) => {
      const path = Path.resolve(directory, name)
      return name.endsWith(".d") ? make(path) : LockFile.Kernel({ path })
    })
})

/** The lock of one more process whose targets all have the same plan. */
export const lock = (directory: string, names: ReadonlyArray<string>): Effect.Effect<FileLock.FileLock["Type"]> =>
  Effect.provideService(FileLock.make(), LockPaths, paths(directory, names))

const spawn = (fixture: string, args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const bundle = yield* Bundle.make(new URL(`./${fixture}.ts`, import.meta.url))
    const child = yield* ChildProcess.spawn({ args: [bundle, ...args], env })
    yield* child.message(isEvent("ready"))
    return child
  })

/** A Node process that takes locks of ours when it is told to. */
export const worker = (directory: string, names: ReadonlyArray<string>) =>
  spawn("directoryLockWorker", [directory, JSON.stringify(names)])

/** A Node process that takes locks with the real proper-lockfile when it is told to. */
export const properLockfile = spawn("properLockfileWorker", [])

/** Does what the library does with a lock that it takes for dead. */
export const steal = (path: string): Fs.BigIntStats => {
  Fs.rmdirSync(path)
  Fs.mkdirSync(path)
  return Fs.lstatSync(path, { bigint: true })
}

/** Makes a lock look as if its holder had died some milliseconds ago. */
export const age = (path: string, millis: number): void => {
  const then = new Date(Date.now() - millis)
  Fs.utimesSync(path, then, then)
}

export const lookAt = ({ path }: Pick<DirectoryLock.Directory, "path">) =>
  Fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
