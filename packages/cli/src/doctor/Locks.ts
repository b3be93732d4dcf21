/**
 * Whether locks exclude here: not by reading about it, but by locking a file and having a second process try it.
 *
 * @since 0.1.0
 */
import { CredentialLock, LockTarget } from "@lockstep/core/CredentialLock"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { LockUnavailable } from "@lockstep/core/Errors"
import * as FileCredentialLock from "@lockstep/node/FileCredentialLock"
import { Home } from "@lockstep/node/Home"
import { LockFile } from "@lockstep/node/LockFile"
import { LockPaths } from "@lockstep/node/LockPaths"
import * as RemoteFileSystem from "@lockstep/node/RemoteFileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Finding from "./Finding.js"
import * as Probe from "./Probe.js"

/** Beside this bundle: a process that tries one lock and says what came of it with its exit code. */
const PROBE = new URL("./probe.js", import.meta.url)

const tryElsewhere = (file: string): Effect.Effect<Probe.Answer> =>
  Effect.async((resume) => {
    const child = spawn(process.execPath, [fileURLToPath(PROBE), file], { stdio: "ignore", windowsHide: true })
    child.once("error", () => resume(Effect.succeed("failed")))
    child.once("exit", (code) => resume(Effect.succeed(Probe.answerOf(code))))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const broken = (what: string) =>
  Finding.problem(what, "set LOCKSTEP_LOCK_DIR to a directory on a local disk, for every process of this store")

const prove = (file: string): Effect.Effect<ReadonlyArray<Finding.Finding>, LockUnavailable> =>
  Effect.gen(function*() {
    const lock = yield* FileCredentialLock.make({ trustRemote: true }).pipe(
      Effect.provideService(LockPaths, { directory: path.dirname(file), plan: () => [LockFile.Kernel({ path: file })] })
    )
    const lease = yield* lock.tryAcquire(LockTarget.Aggregate())
    if (Option.isNone(lease)) return [broken(`${file} is locked by somebody else, which nobody should know of`)]
    const whileHeld = yield* Effect.ensuring(tryElsewhere(file), lease.value.release({ changed: true }))
    const afterwards = yield* tryElsewhere(file)
    if (whileHeld === "failed" || afterwards === "failed") {
      return [Finding.problem("a second process could not try the lock", "reinstall lockstep; the probe could not run")]
    }
    return [
      ...(whileHeld === "acquired"
        ? [broken("two processes held one lock at the same time: locks do not exclude here")]
        : []),
      ...(afterwards === "busy" ? [broken("a lock that was released stayed taken")] : [])
    ]
  }).pipe(Effect.ensuring(Effect.sync(() => fs.rmSync(file, { force: true }))))

/**
 * Proves that a lock excludes a second process and is free again afterwards, on a scratch file.
 *
 * @since 0.1.0
 * @category checks
 */
export const support = Effect.gen(function*() {
  const home = yield* Home
  const trusted = yield* Effect.orElseSucceed(FileCredentialLock.trustRemote, () => false)
  const directory = home.lockDirectory
  if (!fs.existsSync(directory)) return { check: "locks", findings: [] } satisfies Finding.Checked
  const file = path.join(directory, `.lockstep-doctor-${process.pid}.lock`)
  const findings = yield* (trusted ? Effect.void : RemoteFileSystem.refuse(directory)).pipe(
    Effect.zipRight(prove(file)),
    Effect.catchAll((error) => Effect.succeed([Finding.fromError(error)]))
  )
  return { check: "locks", findings } satisfies Finding.Checked
})

/**
 * Tells who holds a tenant's lock, and whether the holder is stopped. Never tries the lock.
 *
 * @since 0.1.0
 * @category checks
 */
export const holders = Effect.gen(function*() {
  const lock = yield* CredentialLock
  const store = yield* CredentialStore
  const tenants = yield* Effect.orElseSucceed(store.list, () => [])
  const findings = yield* Effect.forEach(tenants, (tenant) =>
    Effect.map(
      lock.holder(LockTarget.Tenant({ tenant })),
      Option.match({
        onNone: () => [],
        onSome: ({ command, pid, stopped }) => {
          const who = `process ${pid}${Option.match(command, { onNone: () => "", onSome: (name) => ` (${name})` })}`
          return stopped
            ? [Finding.problem(
              `${who} holds the lock of ${tenant} and is stopped: everybody waits for it`,
              `continue it with \`kill -CONT ${pid}\`, or end it`
            )]
            : [Finding.remark(`${who} is refreshing ${tenant}`)]
        }
      })
    ))
  return { check: "holders", findings: findings.flat() } satisfies Finding.Checked
})
