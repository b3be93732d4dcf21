/**
 * Real file systems that are full when the answer of a refresh arrives: nothing that was granted is lost, by a command
 * that has no other place for it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Command from "./Command.js"
import * as Stage from "./Stage.js"

/** Refreshes on each file system. */
const ROUNDS = 6

/** Logins beside the one that is refreshed. */
const OTHERS = 400

const MIB = 1024 * 1024

/** What is left of a disk for a refresh to begin with. Taken away while the server works on it. */
const MARGIN = 4 * MIB

const run = (program: string, ...args: ReadonlyArray<string>): boolean =>
  spawnSync(program, args, { stdio: "ignore" }).status === 0

const mount = (kind: string): string | undefined => {
  const directory = Fs.realpathSync(Fs.mkdtempSync(join(tmpdir(), `lockstep-${kind}-`)))
  const image = `${directory}.img`
  Fs.closeSync(Fs.openSync(image, "w"))
  // The least that each of them accepts.
  Fs.truncateSync(image, 320 * MIB)
  if (run(`mkfs.${kind}`, "-q", image) && run("mount", "-o", "loop", image, directory)) return directory
  Fs.rmdirSync(directory)
  Fs.rmSync(image)
  return undefined
}

const unmount = (directory: string): void => {
  if (!run("umount", directory)) run("umount", "-l", directory)
  Fs.rmdirSync(directory)
  Fs.rmSync(`${directory}.img`)
}

/** Writes to the end of a file until nothing more is taken, what is promised included. */
const fill = (path: string): void => {
  const fd = Fs.openSync(path, "a")
  try {
    for (const size of [MIB, 4_096, 1]) {
      try {
        const bytes = Buffer.alloc(size, 1)
        for (;;) Fs.writeSync(fd, bytes)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error
      }
      try {
        Fs.fsyncSync(fd)
      } catch {
        // Full is what it is to be.
      }
    }
  } finally {
    Fs.closeSync(fd)
  }
}

const kinds = ["ext4", "xfs", "btrfs"].map((kind) => {
  const directory = mount(kind)
  if (directory === undefined) process.stderr.write(`tests of a full ${kind} are skipped: it cannot be mounted here\n`)
  else unmount(directory)
  return { kind, canMount: directory !== undefined }
})

const disk = (kind: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const directory = mount(kind)
      if (directory === undefined) throw new Error(`a ${kind} could be mounted a moment ago`)
      return directory
    }),
    (directory) => Effect.sync(() => unmount(directory))
  )

describe("a disk that is full when the answer arrives", () => {
  for (const { canMount, kind } of kinds) {
    it.scopedLive.skipIf(!canMount)(
      `loses nothing that was granted on ${kind}`,
      () =>
        Effect.gen(function*() {
          const directory = yield* disk(kind)
          const server = yield* AuthorizationServer.make()
          const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
          Fs.mkdirSync(join(directory, "home"), { mode: 0o700 })
          Fs.symlinkSync(join(directory, "home"), harness.home)
          const margin = join(directory, "margin")
          Fs.writeFileSync(margin, Buffer.alloc(MARGIN, 1))
          fill(join(directory, "filler"))
          Fs.rmSync(margin)
          run("sync", "-f", directory)

          const entry = yield* Command.entry
          const token = harness.spawn({
            args: [entry, "token", Stage.TENANT],
            // No other place: the disk alone has to do.
            env: { HOME: "/nonexistent", XDG_RUNTIME_DIR: "/nonexistent" },
            prints: ["access_token"]
          })
          const ended: Record<string, number> = {}
          for (let round = 1; round <= ROUNDS; round++) {
            const login = yield* SeededHome.issue(server, Stage.TENANT)
            // Large enough for blocks of its own: btrfs has small files among the names.
            const others = Array.from({ length: OTHERS }, (_, index) => ({ ...login, tenant: `other-${index}` }))
            yield* SeededHome.write(harness.home, [login, ...others])
            const before = server.ledger.redemptions.length
            const code = yield* Effect.scoped(Effect.gen(function*() {
              const hold = yield* server.answers.hold
              const child = yield* token
              yield* Effect.raceFirst(Queue.take(hold.arrivals), child.exit)
              assert.strictEqual(server.ledger.redemptions.length, before + 1, yield* child.stderr)
              fill(margin)
              yield* hold.release
              return (yield* child.exit).code
            }))
            Fs.rmSync(margin)
            run("sync", "-f", directory)
            ended[String(code)] = (ended[String(code)] ?? 0) + 1
            const next = yield* token
            assert.strictEqual((yield* next.exit).code, 0, `round ${round}: ${yield* next.stderr}`)
            assert.strictEqual(server.ledger.redemptions.length, before + 1, `round ${round} was redeemed again`)
          }
          console.log(`${kind}: ${ROUNDS} refreshes of a full disk ended with ${JSON.stringify(ended)}`)
          assert.strictEqual(server.ledger.reuses.length, 0)
          // The store itself must have been refused in some of them, or nothing was tried.
          assert.isAbove(ended["6"] ?? 0, 0)
          yield* harness.assertNoLeak
        }),
      180_000
    )
  }
})
