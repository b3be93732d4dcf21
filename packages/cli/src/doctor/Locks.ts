/**
 * Whether locks exclude here: not by reading about it, but by locking a file and having a second process try it.
 *
 * @since 0.1.0
 */
import { Custody } from "@lockstep/core/Custody"
import type { LockHolder, LockUnavailable } from "@lockstep/core/Errors"
import type { JournalRecord } from "@lockstep/core/RefreshJournal"
import { longestHold, RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import { Home } from "@lockstep/node/Home"
import * as FileLock from "@lockstep/node/locks/FileLock"
import { LockFile } from "@lockstep/node/locks/LockFile"
import { LockPaths } from "@lockstep/node/locks/LockPaths"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import * as RemoteFileSystem from "@lockstep/node/locks/RemoteFileSystem"
import { StoreChoice } from "@lockstep/node/stores/StoreChoice"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Times from "../terminal/Times.js"
import * as Finding from "./Finding.js"
import * as Probe from "./Probe.js"
import { Subject } from "./Subject.js"

/**
 * A process that tries one lock and says what came of it ({@link Probe}). It lies beside the bundle, of which this
 * module may be a chunk in a directory of their own.
 */
const PROBES = ["./probe.js", "../probe.js"].map((file) => fileURLToPath(new URL(file, import.meta.url)))

/** A second process, which has tried the lock once, and tries it again when it is told to. */
interface Elsewhere {
  readonly first: Promise<Probe.Answer>
  readonly again: () => Promise<Probe.Answer>
}

const tryElsewhere = (file: string): Effect.Effect<Elsewhere, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const probe = PROBES.find((one) => fs.existsSync(one)) ?? PROBES[0]!
        return spawn(process.execPath, [probe, file], { stdio: ["pipe", "pipe", "ignore"], windowsHide: true })
      }),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    (child) => {
      const ended = new Promise<Probe.Answer>((resolve) => {
        child.once("error", () => resolve("failed"))
        child.once("exit", (code) => resolve(Probe.answerOf(code)))
      })
      // One that has ended is asked in vain, and its end says so.
      child.stdin.on("error", () => {})
      return {
        first: new Promise((resolve) => {
          child.stdout.once("data", () => resolve("busy"))
          void ended.then((answer) => resolve(answer === "busy" ? "failed" : answer))
        }),
        again: () => {
          child.stdin.end()
          return ended
        }
      }
    }
  )

const broken = (code: Finding.Code, what: string) =>
  Finding.problem(code, what, "set LOCKSTEP_LOCK_DIR to a directory on a local disk, for every process of this store")

const prove = (file: string): Effect.Effect<ReadonlyArray<Finding.Finding>, LockUnavailable> =>
  Effect.gen(function*() {
    const lock = yield* FileLock.make({ trustRemote: true }).pipe(
      Effect.provideService(LockPaths, { directory: path.dirname(file), plan: () => [LockFile.Kernel({ path: file })] })
    )
    const lease = yield* lock.tryAcquire(LockTarget.Aggregate())
    if (Option.isNone(lease)) {
      return [broken("lock_stuck", `${file} is locked by another process, although its name is new`)]
    }
    const [whileHeld, again] = yield* tryElsewhere(file).pipe(
      Effect.flatMap(({ again, first }) =>
        Effect.map(Effect.promise(() => first), (answer) => [answer, again] as const)
      ),
      Effect.ensuring(lease.value.release({ changed: true }))
    )
    const afterwards = whileHeld === "busy" ? yield* Effect.promise(again) : whileHeld
    if (whileHeld === "failed" || afterwards === "failed") {
      return [
        Finding.problem(
          "lock_probe_failed",
          "a second process could not try the lock",
          "reinstall lockstep; the probe could not run"
        )
      ]
    }
    return [
      ...(whileHeld === "acquired"
        ? [broken("lock_open", "two processes held one lock at the same time: locks do not exclude here")]
        : []),
      ...(afterwards === "busy" ? [broken("lock_stuck", "a lock that was released stayed taken")] : [])
    ]
  }).pipe(Effect.scoped, Effect.ensuring(Effect.ignore(Effect.try(() => fs.rmSync(file, { force: true })))))

const nameOfRemote = (directory: string): Option.Option<string> =>
  Option.flatten(Option.liftThrowable(RemoteFileSystem.nameOf)(directory))

/** A store may lie on a network while its locks do not, or be trusted to. */
const remote = (directory: string, what: string): ReadonlyArray<Finding.Finding> =>
  fs.existsSync(directory)
    ? Option.toArray(Option.map(nameOfRemote(directory), (name) =>
      Finding.remark(
        "remote",
        `${what} (${directory}) are on ${name}, which other hosts may share`,
        "hosts that share a store share its locks, too, only in a database: keep a home on each host"
      )))
    : []

/**
 * Proves that a lock excludes a second process and is free again afterwards, on a scratch file.
 *
 * @since 0.1.0
 * @category checks
 */
export const support = Effect.gen(function*() {
  const home = yield* Home
  const trusted = yield* Effect.orElseSucceed(FileLock.trustRemote, () => false)
  const directory = home.lockDirectory
  if (!fs.existsSync(directory)) return { check: "locks", findings: [] } satisfies Finding.Checked
  const file = path.join(directory, `.lockstep-doctor-${process.pid}.lock`)
  const proven = yield* (trusted ? Effect.void : RemoteFileSystem.refuse(directory)).pipe(
    Effect.zipRight(prove(file)),
    Effect.catchAll((error) =>
      Effect.succeed([Finding.fromError(error, error.reason === "Remote" ? "remote" : "error")])
    )
  )
  const store = path.dirname(home.file)
  const findings = [
    ...proven,
    ...(trusted ? remote(directory, "locks") : []),
    ...(store === directory ? [] : remote(store, "credentials"))
  ]
  return { check: "locks", findings } satisfies Finding.Checked
})

const describe = ({ command, pid }: LockHolder): string =>
  `process ${pid}${Option.match(command, { onNone: () => "", onSome: (name) => ` (${name})` })}`

/** The kernel tells who holds a lock and not since when; a holder that sends something writes that down. */
const since = (holder: LockHolder, journal: Option.Option<JournalRecord>): Option.Option<number> =>
  journal.pipe(
    Option.flatMap(({ intent }) => intent),
    Option.filter(({ by }) => by.pid === holder.pid),
    Option.map(({ at }) => at)
  )

interface Held {
  readonly holder: LockHolder
  /** What it holds, in words: `the lock of codex`. */
  readonly lock: string
  readonly tenant: string | null
  /** Milliseconds since the epoch. */
  readonly since: Option.Option<number>
}

/** No way out is ever to remove the lock file: the next process would lock another one than its holder. */
const judge = ({ holder, lock, since, tenant }: Held, limit: number, now: number): Finding.Finding => {
  const running = Option.match(holder.startedAt, {
    onNone: () => "",
    onSome: (at) => `, running for ${Times.span(now - at)},`
  })
  const who = `${describe(holder)}${running}`
  if (holder.stopped) {
    return Finding.problem(
      "holder_stopped",
      `${who} holds ${lock} and is stopped: every other process waits for it`,
      `continue it with \`kill -CONT ${holder.pid}\`, or end it with \`kill -KILL ${holder.pid}\`: its lock goes with it`,
      tenant
    )
  }
  const held = Option.match(since, { onNone: () => "", onSome: (at) => ` for ${Times.span(now - at)}` })
  return Option.exists(since, (at) => now - at > limit)
    ? Finding.problem(
      "holder_late",
      `${who} holds ${lock}${held}, longer than any refresh may take`,
      `wait for it, or end it with \`kill ${holder.pid}\`: its lock goes with it, and what it sent is remembered`,
      tenant
    )
    : Finding.remark("holder", `${who} holds ${lock}${held}`, "wait: it has bounds of its own", tenant)
}

/**
 * Tells which process holds which lock, since when as far as that is known, and whether it is stopped. Never tries a lock.
 *
 * @since 0.1.0
 * @category checks
 */
export const holders = Effect.gen(function*() {
  const custody = yield* Custody
  const lock = yield* FileLock.FileLock
  const { limits } = yield* StoreChoice
  const limit = Duration.toMillis(longestHold(yield* RefreshPolicy, limits))
  const { journal, remembered, tenants } = yield* Subject
  const now = yield* Clock.currentTimeMillis

  const ofTenant = (tenant: TenantId) =>
    Effect.flatMap(
      custody.holder(tenant),
      Option.match({
        onNone: () => Effect.succeedNone,
        onSome: (holder) =>
          Effect.map(Effect.option(journal(tenant)), (found) =>
            Option.some<Held>({ holder, tenant, lock: `the lock of ${tenant}`, since: since(holder, found) }))
      })
    )
  const aggregate = Effect.map(
    lock.holder(LockTarget.Aggregate()),
    Option.map((holder): Held => ({ holder, tenant: null, lock: "the lock of the store", since: Option.none() }))
  )
  const all = yield* Effect.all([aggregate, ...[...new Set([...tenants, ...remembered])].map(ofTenant)])
  const findings = all.flatMap(Option.toArray).map((held) => judge(held, limit, now))
  return { check: "holders", findings } satisfies Finding.Checked
})
