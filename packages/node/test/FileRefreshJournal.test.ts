import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import * as AnswerFile from "@lockstep/node/AnswerFile"
import { answer, fullRecord } from "@lockstep/testkit/contract/journals"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Cp from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Disks from "./support/disks.js"
import * as FileCalls from "./support/fileCalls.js"
import { giveToNobody, isRoot } from "./support/privileges.js"

const CODEX = TenantId.make("codex")

const open = Effect.flatMap(Homes.temporary, (directory) =>
  Effect.map(Homes.open(directory), ({ journal }) => ({
    journal,
    directory,
    answerFile: Path.join(directory, "auth.json.refresh.codex.answer")
  })))

describe("a journal", () => {
  it.scopedLive("that is damaged is an error that names the file, and stays as it is", () =>
    Effect.gen(function*() {
      const { journal } = yield* open
      const secret = FakeToken.make("rt")
      yield* journal.write(CODEX, fullRecord(CODEX))
      const sound = Fs.readFileSync(journal.location(CODEX), "utf8")
      const damaged = [
        "",
        sound.slice(0, -20),
        `{"version":1,"x":"${secret}`,
        sound.replace("\"version\": 1", "\"version\": 2"),
        sound.replace("\"sending\"", "\"unheard of\""),
        sound.replace("\"tenant\": \"codex\"", "\"tenant\": \"other\""),
        Buffer.from("{\"version\":1,\"x\":\"\xff\"}", "latin1")
      ]
      for (const content of damaged) {
        Fs.writeFileSync(journal.location(CODEX), content)
        const before = Fs.readFileSync(journal.location(CODEX))
        const error = yield* Effect.flip(journal.read(CODEX))
        deepStrictEqual([error.reason, error.location], ["Decode", journal.location(CODEX)])
        assert.isFalse(`${error.message} ${JSON.stringify(error)}`.includes(secret))
        deepStrictEqual(Fs.readFileSync(journal.location(CODEX)), before)
      }
    }))

  it.scopedLive("that is no file is an error, also a FIFO without a writer", () =>
    Effect.gen(function*() {
      for (const make of [(path: string) => Fs.mkdirSync(path), (path: string) => Cp.execFileSync("mkfifo", [path])]) {
        const { answerFile, journal } = yield* open
        make(journal.location(CODEX))
        assert.strictEqual((yield* Effect.flip(journal.read(CODEX))).reason, "Read")
        make(answerFile)
        assert.strictEqual((yield* Effect.flip(journal.keptAnswer(CODEX))).reason, "Read")
        assert.strictEqual((yield* Effect.flip(journal.keepAnswer(CODEX, answer("a")))).reason, "Write")
        assert.strictEqual((yield* Effect.flip(journal.reserveAnswer(CODEX, 1))).reason, "Write")
      }
    }))

  it.scopedLive("holds no token", () =>
    Effect.gen(function*() {
      const { directory, journal } = yield* open
      yield* journal.write(CODEX, fullRecord(CODEX))
      yield* journal.keepAnswer(CODEX, answer("attempt"))
      for (const name of Fs.readdirSync(directory)) {
        const hasToken = Fs.readFileSync(Path.join(directory, name), "utf8").match(FakeToken.PATTERN) !== null
        assert.strictEqual(hasToken, name.endsWith(".answer"), name)
      }
    }))
})

describe("the room of an answer", () => {
  it.scopedLive("is written through the descriptor that reserved it, when no other can be had", () =>
    Effect.gen(function*() {
      const { journal } = yield* open
      yield* journal.reserveAnswer(CODEX, 2_048)
      // The intent comes between, and brings the sync of the name.
      yield* journal.write(CODEX, yield* journal.read(CODEX))
      const kept = answer("attempt-1")
      yield* FileCalls.failing("openSync", "EMFILE", journal.keepAnswer(CODEX, kept))
      assert.isTrue(Equal.equals(yield* journal.keptAnswer(CODEX), Option.some(kept)))
      yield* journal.dropAnswer(CODEX)
      const error = yield* Effect.flip(FileCalls.failing("openSync", "EMFILE", journal.keepAnswer(CODEX, kept)))
      deepStrictEqual([error.reason, error.detail], ["Write", "EMFILE"])
    }))

  it.scopedLive("is given back and taken again where writing over it takes blocks of its own", () =>
    Effect.gen(function*() {
      const { answerFile, journal } = yield* open
      yield* journal.reserveAnswer(CODEX, 2_048)
      const kept = answer("attempt-1")
      // As on btrfs: what is there is never written over, and what was reserved is of use once it is free.
      yield* FileCalls.failingUnless(
        "fsyncSync",
        "ENOSPC",
        () => Fs.statSync(answerFile).size < 2_048,
        journal.keepAnswer(CODEX, kept)
      )
      assert.isTrue(Equal.equals(yield* journal.keptAnswer(CODEX), Option.some(kept)))
    }))

  it.scopedLive("has a ballast, which is given back first: the room itself stays until that is not enough", () =>
    Effect.gen(function*() {
      const { answerFile, journal } = yield* open
      for (const code of ["ENOSPC", "EDQUOT", "EIO"]) {
        yield* journal.reserveAnswer(CODEX, 2_048)
        const { size } = Fs.statSync(answerFile)
        // Apart from the room by a hole, and so in an extent of its own.
        const all = Fs.readFileSync(answerFile)
        assert.isTrue(all.subarray(64 * 1024, 128 * 1024).every((byte) => byte === 0))
        assert.isFalse(all.subarray(128 * 1024).every((byte) => byte === 0))
        const kept = answer("attempt-1")
        yield* FileCalls.failingUnless(
          "fsyncSync",
          code,
          () => Fs.statSync(answerFile).size < size,
          journal.keepAnswer(CODEX, kept)
        )
        assert.isAtLeast(Fs.statSync(answerFile).size, 2_048)
        assert.isTrue(Equal.equals(yield* journal.keptAnswer(CODEX), Option.some(kept)))
      }
    }))

  it.scopedLive("is found under its name: one that was removed or replaced meanwhile is made anew", () =>
    Effect.gen(function*() {
      const kept = answer("attempt-1")
      for (const replace of [() => {}, (path: string) => Fs.writeFileSync(path, "", { mode: 0o600 })]) {
        const { answerFile, journal } = yield* open
        yield* journal.reserveAnswer(CODEX, 2_048)
        Fs.rmSync(answerFile)
        replace(answerFile)
        yield* journal.keepAnswer(CODEX, kept)
        assert.isTrue(Equal.equals(yield* journal.keptAnswer(CODEX), Option.some(kept)))
      }
    }))

  it.scopedLive("leaves no descriptor open once the answer is dropped or reserved anew", () =>
    Effect.gen(function*() {
      const { answerFile, journal } = yield* open
      if (process.platform !== "linux") return
      const opened = () =>
        Fs.readdirSync("/proc/self/fd").filter((fd) => {
          try {
            return Fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(answerFile)
          } catch {
            return false
          }
        }).length
      for (let times = 0; times < 2; times++) {
        yield* journal.reserveAnswer(CODEX, 64)
        assert.strictEqual(opened(), 1)
      }
      yield* journal.keepAnswer(CODEX, answer("attempt-1"))
      assert.strictEqual(opened(), 1)
      yield* journal.dropAnswer(CODEX)
      assert.strictEqual(opened(), 0)
    }))

  it.scopedLive("is no file of others: a second name, another owner and a link are refused, and stay as they are", () =>
    Effect.gen(function*() {
      const plants: ReadonlyArray<(path: string, victim: string) => void> = [
        (path, victim) => Fs.linkSync(victim, path),
        (path, victim) => Fs.symlinkSync(victim, path),
        ...(isRoot
          ? [(path: string) => {
            Fs.writeFileSync(path, "theirs", { mode: 0o666 })
            giveToNobody(path)
          }]
          : [])
      ]
      for (const plant of plants) {
        const { answerFile, directory, journal } = yield* open
        const victim = Path.join(directory, "victim")
        Fs.writeFileSync(victim, "precious", { mode: 0o644 })
        plant(answerFile, victim)
        const before = Fs.lstatSync(answerFile, { bigint: true })
        for (const act of [journal.reserveAnswer(CODEX, 64), journal.keepAnswer(CODEX, answer("attempt-1"))]) {
          assert.strictEqual((yield* Effect.flip(act)).reason, "Write")
        }
        const after = Fs.lstatSync(answerFile, { bigint: true })
        deepStrictEqual([after.ino, after.mode, after.uid, after.mtimeNs], [
          before.ino,
          before.mode,
          before.uid,
          before.mtimeNs
        ])
        assert.strictEqual(Fs.readFileSync(victim, "utf8"), "precious")
        assert.strictEqual(Fs.statSync(victim).mode & 0o777, 0o644)
      }
    }))
})

describe("an answer", () => {
  it.scopedLive("that was torn at any byte counts as absent, and is never a mixture", () =>
    Effect.gen(function*() {
      const { answerFile, journal } = yield* open
      const old = answer("attempt-1", 40)
      const next = answer("attempt-2")
      const written = (value: RefreshJournal.CapturedAnswer) =>
        Effect.map(journal.keepAnswer(CODEX, value), () => Fs.readFileSync(answerFile).subarray(0, room.length))
      yield* journal.reserveAnswer(CODEX, 2_048)
      const room = Fs.readFileSync(answerFile).subarray(0, 4_096)
      const first = yield* written(old)
      const second = yield* written(next)
      // Every byte of the header, and some of the tokens.
      const cuts = Array.from(second, (_, at) => at).filter((at) => at < 128 || at % 11 === 0)
      for (const before of [room, first]) {
        const whole = before === room ? Option.none() : Option.some(old)
        for (const at of cuts) {
          Fs.writeFileSync(answerFile, Buffer.concat([second.subarray(0, at), before.subarray(at)]))
          const kept = yield* journal.keptAnswer(CODEX)
          const isWhole = Equal.equals(kept, whole) || Option.isNone(kept) || Equal.equals(kept, Option.some(next))
          assert.isTrue(isWhole, `torn at byte ${at}`)
        }
      }
    }))

  it.scopedLive("that was cut short counts as absent", () =>
    Effect.gen(function*() {
      const { answerFile, journal } = yield* open
      yield* journal.keepAnswer(CODEX, answer("attempt-1"))
      const whole = Fs.readFileSync(answerFile)
      for (let at = 0; at < whole.length; at += 7) {
        Fs.writeFileSync(answerFile, whole.subarray(0, at))
        deepStrictEqual(yield* journal.keptAnswer(CODEX), Option.none())
      }
    }))

  it.scopedLive("that is whole and means nothing to this version is an error, not none", () =>
    Effect.gen(function*() {
      const { answerFile, journal } = yield* open
      yield* AnswerFile.keep(answerFile, "{\"attempt\":\"s3cret\"}")
      const error = yield* Effect.flip(journal.keptAnswer(CODEX))
      deepStrictEqual([error.reason, error.location], ["Decode", answerFile])
      assert.isFalse(JSON.stringify(error).includes("s3cret"))
    }))

  it.scopedLive("is written over its room: the file keeps inode and length", () =>
    Effect.gen(function*() {
      const { answerFile, journal } = yield* open
      yield* journal.reserveAnswer(CODEX, 30_000)
      const before = Fs.statSync(answerFile)
      assert.isAtLeast(before.size, 30_000)
      // Really taken: a file system that compresses would keep no room for zeros.
      assert.isAtLeast(new Set(Fs.readFileSync(answerFile)).size, 200)
      yield* journal.keepAnswer(CODEX, answer("attempt-1"))
      const after = Fs.statSync(answerFile)
      deepStrictEqual([after.ino, after.size], [before.ino, before.size])
    }))

  it.scopedLive("is made private again after its mode was widened", () =>
    Effect.gen(function*() {
      const { answerFile, journal } = yield* open
      yield* journal.reserveAnswer(CODEX, 100)
      Fs.chmodSync(answerFile, 0o666)
      yield* journal.keepAnswer(CODEX, answer("attempt-1"))
      assert.strictEqual(Fs.statSync(answerFile).mode & 0o777, 0o600)
    }))

  it.scopedLive.skipIf(!Disks.canMount)(
    "is kept on a full disk where room was reserved, and nowhere else",
    () =>
      Effect.gen(function*() {
        const disk = yield* Disks.make
        const { journal } = yield* Homes.open(Path.join(disk.directory, "home"))
        const other = TenantId.make("other")
        yield* journal.write(CODEX, fullRecord(CODEX))
        yield* journal.reserveAnswer(CODEX, 8_192)
        disk.fill()
        const failures = [
          journal.write(CODEX, RefreshJournal.empty(CODEX)),
          journal.reserveAnswer(other, 8_192),
          journal.keepAnswer(other, answer("without room"))
        ]
        for (const effect of failures) {
          const error = yield* Effect.flip(effect)
          deepStrictEqual([error.reason, error.detail], ["Write", "ENOSPC"])
        }
        const kept = answer("attempt-1", 4_000)
        yield* journal.keepAnswer(CODEX, kept)
        assert.isTrue(Equal.equals(yield* journal.keptAnswer(CODEX), Option.some(kept)))
        // What could not be written is what it was.
        deepStrictEqual(yield* journal.read(CODEX), fullRecord(CODEX))
        deepStrictEqual(yield* journal.keptAnswer(other), Option.none())
      })
  )
})
