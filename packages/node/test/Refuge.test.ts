/** Where the answer of a rotation goes when the disk of its store takes nothing more, and who finds it there. */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as TenantId from "@lockstep/core/TenantId"
import * as AnswerFile from "@lockstep/node/AnswerFile"
import * as Refuge from "@lockstep/node/Refuge"
import * as KeyRotation from "@lockstep/node/secrets/KeyRotation"
import { answer } from "@lockstep/testkit/contract/journals"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Sidecars from "../src/internal/sidecars.js"
import * as FileCalls from "./support/fileCalls.js"
import { giveToNobody, isRoot } from "./support/privileges.js"
import * as SealedHomes from "./support/sealedHomes.js"

const CODEX = TenantId.make("codex")

/** A home whose disk can be made to refuse everything, and two places beside it. */
const make = Effect.gen(function*() {
  const root = yield* Homes.temporary
  const directory = Path.join(root, "home")
  const [user, session] = [Path.join(root, "user"), Path.join(root, "session")]
  for (const parent of [user, session]) Fs.mkdirSync(parent, { mode: 0o700 })
  const refuges: ReadonlyArray<Refuge.Refuge> = [
    { parent: user, directory: Path.join(user, ".lockstep"), isVolatile: false },
    { parent: session, directory: Path.join(session, "lockstep"), isVolatile: true }
  ]
  const open = Homes.open(directory, { refuges })
  const { home, journal } = yield* open
  yield* journal.reserveAnswer(CODEX, 2_048)
  const file = Path.join(directory, "auth.json.refresh.codex.answer")
  const pathIn = (place: number) => Refuge.pathOf(refuges[place]!, home.file, "auth.json.refresh.codex.answer")
  /** Whatever is written beside the store fails. */
  const refused = <A, E, R>(code: string, effect: Effect.Effect<A, E, R>) =>
    FileCalls.failingWhere(
      ["openSync", "writeSync", "ftruncateSync", "mkdirSync"],
      code,
      (path) => path.startsWith(directory),
      effect
    )
  return { home, journal, open, directory, user, session, refuges, file, pathIn, refused }
})

const isKept = (found: Option.Option<unknown>, kept: unknown): void =>
  assert.isTrue(Equal.equals(found, Option.some(kept)))

describe("an answer that the disk of its store refuses", () => {
  for (const code of ["ENOSPC", "EDQUOT", "EIO", "EROFS"]) {
    it.scopedLive(`with ${code} is kept in the user's home, and found there by the next process`, () =>
      Effect.gen(function*() {
        const { file, journal, open, pathIn, refused } = yield* make
        const kept = answer("attempt-1")
        const logged: Array<string> = []
        const logger = Logger.make(({ message }) => void logged.push(String(message)))
        yield* refused(code, journal.keepAnswer(CODEX, kept)).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, logger))
        )
        // One message, which says where.
        assert.lengthOf(logged, 1)
        assert.include(logged[0], `are kept in ${pathIn(0)}`)
        assert.include(logged[0], code)
        assert.strictEqual(Fs.statSync(pathIn(0)).mode & 0o777, 0o600)
        assert.strictEqual(Fs.statSync(Path.dirname(pathIn(0))).mode & 0o777, 0o700)
        deepStrictEqual(yield* AnswerFile.read(file), Option.none())
        const next = (yield* open).journal
        isKept(yield* next.keptAnswer(CODEX), kept)
        deepStrictEqual(yield* next.keptAnswer(TenantId.make("other")), Option.none())
        yield* next.dropAnswer(CODEX)
        assert.isFalse(Fs.existsSync(pathIn(0)))
        deepStrictEqual(yield* journal.keptAnswer(CODEX), Option.none())
      }))
  }

  it.scopedLive("goes to the session's directory where the user's home will not do", () =>
    Effect.gen(function*() {
      const opened: ReadonlyArray<(user: string) => void> = [
        (user) => Fs.chmodSync(user, 0o777),
        (user) => Fs.mkdirSync(Path.join(user, ".lockstep"), { mode: 0o755 }),
        (user) => Fs.symlinkSync(user, Path.join(user, ".lockstep")),
        (user) => Fs.writeFileSync(Path.join(user, ".lockstep"), ""),
        (user) => Fs.rmdirSync(user),
        ...isRoot ? [(user: string) => giveToNobody(user)] : []
      ]
      for (const spoil of opened) {
        const { journal, open, pathIn, refused, user } = yield* make
        spoil(user)
        const kept = answer("attempt-1")
        yield* refused("ENOSPC", journal.keepAnswer(CODEX, kept))
        assert.isFalse(Fs.existsSync(pathIn(0)))
        assert.isTrue(Fs.existsSync(pathIn(1)))
        isKept(yield* (yield* open).journal.keptAnswer(CODEX), kept)
      }
    }))

  it.scopedLive("fails as that disk did where there is no place for it, and writes nowhere", () =>
    Effect.gen(function*() {
      const { journal, refused, refuges, session, user } = yield* make
      for (const parent of [user, session]) Fs.chmodSync(parent, 0o777)
      const error = yield* Effect.flip(refused("EDQUOT", journal.keepAnswer(CODEX, answer("attempt-1"))))
      deepStrictEqual([error.reason, error.detail], ["Write", "EDQUOT"])
      for (const { directory } of refuges) assert.isFalse(Fs.existsSync(directory))
    }))

  it.scopedLive("is not believed in a place that others can write by now", () =>
    Effect.gen(function*() {
      const { journal, pathIn, refused } = yield* make
      yield* refused("ENOSPC", journal.keepAnswer(CODEX, answer("attempt-1")))
      Fs.chmodSync(Path.dirname(pathIn(0)), 0o777)
      deepStrictEqual(yield* journal.keptAnswer(CODEX), Option.none())
    }))

  it.scopedLive("is the one that is read where an older one lies beside the store", () =>
    Effect.gen(function*() {
      const { file, journal, open, pathIn, refused } = yield* make
      const older = { ...answer("attempt-1"), obtainedAt: 10 }
      const younger = { ...answer("attempt-2"), obtainedAt: 20 }
      yield* journal.keepAnswer(CODEX, older as never)
      yield* refused("ENOSPC", journal.keepAnswer(CODEX, younger as never))
      assert.isTrue(Fs.existsSync(file) && Fs.existsSync(pathIn(0)))
      const found = yield* (yield* open).journal.keptAnswer(CODEX)
      deepStrictEqual(Option.map(found, ({ attempt }) => attempt), Option.some("attempt-2"))
      // Judged by then: what comes next stands alone.
      yield* journal.reserveAnswer(CODEX, 10)
      deepStrictEqual(yield* journal.keptAnswer(CODEX), Option.none())
      assert.isFalse(Fs.existsSync(pathIn(0)))
    }))

  it.scopedLive("is read where the disk of the store cannot be read, either", () =>
    Effect.gen(function*() {
      const { file, journal, open, refused } = yield* make
      const kept = answer("attempt-1")
      yield* refused("EIO", journal.keepAnswer(CODEX, kept))
      const { journal: next } = yield* open
      const reading = Effect.suspend(() => {
        // What is not there is known without being opened.
        Fs.writeFileSync(file, "", { mode: 0o600 })
        return FileCalls.failingWhere(["openSync"], "EIO", (path) => path === file, next.keptAnswer(CODEX))
      })
      isKept(yield* reading, kept)
      yield* journal.dropAnswer(CODEX)
      assert.strictEqual((yield* Effect.flip(reading)).reason, "Read")
    }))

  it.scopedLive("is known to what lists, moves and seals answers", () =>
    Effect.gen(function*() {
      const { home, journal, pathIn, refused } = yield* make
      yield* refused("ENOSPC", journal.keepAnswer(CODEX, answer("attempt-1")))
      const { answers, tenants } = yield* Sidecars.find(home)
      assert.deepInclude(answers, { name: "auth.json.refresh.codex.answer", path: pathIn(0) })
      assert.isTrue(tenants.has(CODEX))
      // One of another store in the same place is none of this one's.
      Fs.writeFileSync(Path.join(Path.dirname(pathIn(0)), `${"0".repeat(16)}.auth.json.refresh.codex.answer`), "")
      assert.lengthOf((yield* Sidecars.find(home)).answers.filter(({ path }) => !path.startsWith(home.directory)), 1)
    }))
})

describe("an answer of a sealed home", () => {
  it.scopedLive("is sealed there, too, and anew when the keys change", () =>
    Effect.gen(function*() {
      const { directory, file } = yield* SealedHomes.withKeyFile
      const user = Path.join(Path.dirname(directory), "user")
      Fs.mkdirSync(user, { mode: 0o700 })
      const refuge: Refuge.Refuge = { parent: user, directory: Path.join(user, ".lockstep"), isVolatile: false }
      const open = SealedHomes.open(directory, { file }, [refuge])
      const { context, home, journal } = yield* open
      yield* journal.reserveAnswer(CODEX, 2_048)
      const kept = answer("attempt-1")
      yield* FileCalls.failingWhere(
        ["openSync", "writeSync"],
        "ENOSPC",
        (path) => path.startsWith(directory),
        journal.keepAnswer(CODEX, kept)
      )
      const path = Refuge.pathOf(refuge, home.file, "auth.json.refresh.codex.answer")
      deepStrictEqual(SealedHomes.leaks(refuge.directory), [])
      const { key, sealed } = yield* Effect.provide(KeyRotation.rotate, context)
      assert.include(sealed, path)
      assert.include(Fs.readFileSync(path, "latin1"), `key=${key}`)
      isKept(yield* (yield* open).journal.keptAnswer(CODEX), kept)
    }))
})

describe("the places", () => {
  const under = (variables: Record<string, string>) =>
    Effect.withConfigProvider(Refuge.config, ConfigProvider.fromMap(new Map(Object.entries(variables))))

  it.effect.skipIf(process.platform !== "linux")(
    "are the user's home and the session's directory",
    () =>
      Effect.gen(function*() {
        const both = yield* under({ HOME: "/home/me", XDG_RUNTIME_DIR: "/run/user/7" })
        deepStrictEqual(both.map(({ directory }) => directory), ["/home/me/.lockstep", "/run/user/7/lockstep"])
        deepStrictEqual(both.map(({ isVolatile }) => isVolatile), [false, true])
        // A job without a session finds there what a session has kept. A relative path is none.
        const none = yield* under({ HOME: "here", XDG_RUNTIME_DIR: "there" })
        deepStrictEqual(none.map(({ directory }) => directory), [`/run/user/${process.geteuid!()}/lockstep`])
      })
  )
})
