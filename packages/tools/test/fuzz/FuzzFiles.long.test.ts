/**
 * Every store on files that no sane program wrote: whatever fails leaves the file byte by byte as it was, and says
 * nothing of what is in it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@lockstep/core/Credential"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as AuthJson from "@lockstep/node/AuthJson"
import * as FileVendorSettings from "@lockstep/node/FileVendorSettings"
import * as Home from "@lockstep/node/Home"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as KeyringIndex from "@lockstep/node/keyring/KeyringIndex"
import * as KeyringKeys from "@lockstep/node/keyring/KeyringKeys"
import { FileLock } from "@lockstep/node/locks/FileLock"
import * as KeyFile from "@lockstep/node/secrets/KeyFile"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import type { StoreCodec } from "@lockstep/node/StoreCodec"
import * as MoveNote from "@lockstep/node/stores/MoveNote"
import * as VendorsJson from "@lockstep/node/VendorsJson"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as KeyringHomes from "@lockstep/testkit/homes/KeyringHomes"
import * as Mutations from "@lockstep/testkit/homes/Mutations"
import * as Pi from "@lockstep/tools/adapters/Pi"
import * as Companion from "@lockstep/tools/Companion"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { inspect } from "node:util"
import * as Samples from "../imports/samples.js"
import * as ToolHomes from "../support/toolHomes.js"
import * as Seed from "./seed.js"
import * as Subjects from "./subjects.js"

const CASES = Number(process.env["LOCKSTEP_FUZZ_FILES"] ?? 40)

/** Milliseconds after which something hangs. */
const PATIENCE = 120_000

const codex = TenantId.make("codex")

const credential = Credential.Credential.make({
  vendor: Option.some("codex"),
  accessToken: Option.some(Redacted.make("a-new-token")),
  refreshToken: Option.some(Redacted.make("a-new-refresh-token")),
  expiresAt: Option.some(1_900_000_000),
  generation: 1_000
})

const mutantOf = (seed: string, i: number): Uint8Array => {
  const next = Seed.random(i)
  if (i % 2 === 0) return Buffer.from(Mutations.retyped(seed, next), "utf8")
  const bytes = Buffer.from(Mutations.mutate(seed, next), "utf8")
  return next() < 0.3 ? Mutations.corrupt(bytes, next) : bytes
}

/** A typed failure is fine and a defect is not; neither may tell what is in the file. */
const assertTyped = (exit: Exit.Exit<unknown, unknown>, which: string): void => {
  if (Exit.isSuccess(exit)) return
  assert.isTrue(Option.isSome(Cause.failureOption(exit.cause)), `${which}: died`)
  const text = `${inspect(exit.cause, { depth: 12 })}${Cause.pretty(exit.cause)}${JSON.stringify(exit)}`
  for (const token of Object.values(Samples.tokens)) {
    const tail = token.slice("lockstep-xx-".length)
    for (let at = 0; at + 8 <= tail.length; at++) {
      assert.isFalse(text.includes(tail.slice(at, at + 8)), `${which}: shows a secret`)
    }
  }
}

interface Store {
  readonly path: string
  /** Whether a text is one that must not be written. */
  readonly isDamaged: (text: string) => boolean
  readonly act: ReadonlyArray<Effect.Effect<unknown, unknown>>
  /** What else may have changed by a failed act: nothing. */
  readonly beside: () => ReadonlyArray<string>
}

const everyCase = (seeds: ReadonlyArray<string>, { act, beside, isDamaged, path }: Store) =>
  Effect.gen(function*() {
    let refused = 0
    for (let i = 0; i < CASES; i++) {
      const mutant = mutantOf(seeds[i % seeds.length]!, i)
      Fs.writeFileSync(path, mutant)
      for (const one of act) {
        const before = Fs.readFileSync(path)
        const exit = yield* Effect.exit(one)
        assertTyped(exit, Seed.ofCase(i))
        if (Exit.isFailure(exit)) refused++
        if (Exit.isFailure(exit) || isDamaged(before.toString("utf8"))) {
          assert.isTrue(before.equals(Fs.readFileSync(path)), `${Seed.ofCase(i)}: what must not be written was written`)
        }
      }
      const left = beside().filter((name) => name.endsWith(".tmp"))
      assert.deepStrictEqual(left, [], `${Seed.ofCase(i)}: left a temporary file`)
    }
    // Damage that goes unnoticed would make all of this worth nothing.
    assert.isAbove(refused, CASES / 4)
  })

const damagedBy = <Document>(codec: Pick<StoreCodec<Document>, "parse" | "findDamage">) => (text: string): boolean =>
  Either.match(codec.parse(text), {
    onLeft: () => true,
    onRight: (document) => Option.isSome(codec.findDamage(document))
  })

/** What is only read. */
const always = () => true

const writes = (store: Homes.Opened["store"]) => [
  store.list,
  store.get(codex),
  store.modify(codex, () => Change.Put({ credential, value: () => undefined })),
  store.modify(codex, () => Change.Remove({ value: undefined })),
  store.prepare(codex)
]

describe("fuzz of files", () => {
  Seed.announce("files")

  it.scopedLive("auth.json", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const { home, pending, store } = yield* Homes.open(directory)
      yield* home.open
      yield* everyCase([Subjects.authText], {
        path: home.file,
        isDamaged: damagedBy(AuthJson.codec),
        act: [...writes(store), pending.list],
        beside: () => Fs.readdirSync(directory)
      })
    }), PATIENCE)

  for (const { seeds, tool } of Subjects.tools) {
    it.scopedLive(`the file of ${tool.name}`, () =>
      Effect.gen(function*() {
        const path = yield* ToolHomes.place("auth.json")
        // Damage that is there to stay is not waited out, as half a file of a tool that writes in place is.
        const { home, store } = yield* ToolHomes.open(
          { ...tool, codec: { ...tool.codec, isWrittenInPlace: false } },
          path
        )
        yield* everyCase(seeds, {
          path: home.file,
          isDamaged: damagedBy(tool.codec),
          act: writes(store),
          beside: () => Fs.readdirSync(Path.dirname(path))
        })
      }), PATIENCE)
  }

  it.scopedLive("what is kept beside a tool's file", () =>
    Effect.gen(function*() {
      const path = yield* ToolHomes.place("auth.json")
      const tool = Pi.tool
      const { store } = yield* ToolHomes.open(tool, path)
      yield* store.modify(TenantId.make("anthropic"), () => Change.Put({ credential, value: () => undefined }))
      const companion = Companion.pathOf(path)
      const theirs = Fs.readFileSync(path)
      yield* everyCase([Fs.readFileSync(companion, "utf8"), Subjects.companionText], {
        path: companion,
        isDamaged: damagedBy(Companion.format),
        act: writes(store).slice(0, 2).concat(store.prepare(codex)),
        beside: () => Fs.readdirSync(Path.dirname(path))
      })
      assert.isTrue(theirs.equals(Fs.readFileSync(path)))
    }), PATIENCE)

  it.scopedLive("the index of a keyring", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const { home, store } = yield* KeyringHomes.open(directory, Keyring.makeMemory())
      yield* store.modify(codex, () => Change.Put({ credential, value: () => undefined }))
      const path = `${home.file}.keyring`
      yield* everyCase([Fs.readFileSync(path, "utf8"), Subjects.indexText], {
        path,
        isDamaged: damagedBy(KeyringIndex.format),
        act: writes(store),
        beside: () => Fs.readdirSync(directory)
      })
    }), PATIENCE)

  it.scopedLive("the index of the keys in a keyring, and the note of a move", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const keyring = Keyring.makeMemory()
      const home = yield* Home.make({ directory, store: "keyring" })
      const keys = Effect.provide(KeyringKeys.make, [
        Layer.succeed(Keyring.Keyring, keyring),
        Layer.succeed(Home.Home, home)
      ])
      yield* Effect.flatMap(keys, ({ current }) => current)
      const path = `${home.file}.keys`
      const beside = () => Fs.readdirSync(directory)
      const current = Effect.flatMap(keys, ({ current }) => current)
      yield* everyCase([Fs.readFileSync(path, "utf8")], { path, isDamaged: always, act: [current], beside })
      const note = { version: 1, from: "file", to: "keyring", at: 1_790_000_000, by: `agent ${Samples.tokens.rt}` }
      yield* everyCase([JSON.stringify(note)], {
        path: Path.join(directory, "move.json"),
        isDamaged: always,
        act: [MoveNote.unfinished(home)],
        beside
      })
    }), PATIENCE)

  it.scopedLive("the settings of vendors", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const opened = yield* Homes.open(directory)
      yield* opened.home.open
      const settings = yield* Effect.provide(FileVendorSettings.make, [
        Layer.succeed(Home.Home, opened.home),
        Layer.succeed(FileLock, opened.lock),
        RefreshPolicy.layer({})
      ])
      yield* everyCase([Subjects.vendorsText], {
        path: Path.join(directory, "vendors.json"),
        isDamaged: (text) => Either.isLeft(VendorsJson.parse(text)),
        act: [
          settings.clientSecret("gemini"),
          settings.hasAcceptedTerms(codex, "gemini"),
          settings.setClientSecret("antigravity", Redacted.make("a-new-secret"))
        ],
        beside: () => Fs.readdirSync(directory)
      })
    }), PATIENCE)

  it.scopedLive("a journal, the answer beside it, and the pin", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const { home, journal } = yield* Homes.open(directory)
      yield* home.open
      const at = (name: string) => Path.join(directory, name)
      const journalFile = at(SidecarNames.journal("auth.json", codex))
      const answerFile = at(SidecarNames.answer("auth.json", codex))
      yield* journal.write(codex, yield* journal.read(codex))
      const journalText = Fs.readFileSync(journalFile, "utf8").replace(
        "\"outcomes\": []",
        `"outcomes": [{
        "at": 1, "outcome": "granted", "pid": 1, "command": "c", "from": "f", "to": "t", "generation": 1
      }], "mark": { "fingerprint": "f", "reason": "InvalidGrant", "detail": "${Samples.tokens.rt}", "at": 1 }`
      )
      yield* journal.reserveAnswer(codex, 512)
      const beside = () => Fs.readdirSync(directory)
      yield* everyCase([journalText], { path: journalFile, isDamaged: always, act: [journal.read(codex)], beside })
      const answer = `lockstep-answer-1 0000000004 ${"0".repeat(64)}\n{"refresh_token":"${Samples.tokens.rt}"}`
      for (let i = 0; i < CASES; i++) {
        Fs.writeFileSync(answerFile, mutantOf(answer, i))
        const exit = yield* Effect.exit(journal.keptAnswer(codex))
        assertTyped(exit, Seed.ofCase(i))
        // A digest is not forged by accident.
        assert.isFalse(Exit.isSuccess(exit) && Option.isSome(exit.value), Seed.ofCase(i))
      }
      const pin = Fs.readFileSync(at("store.json"), "utf8")
      yield* everyCase([pin], {
        path: at("store.json"),
        isDamaged: always,
        act: [home.pin, home.open, home.check],
        beside
      })
    }), PATIENCE)

  it.scopedLive("a key file", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      const path = Path.join(directory, "lockstep.key")
      const text = `# keys\n${Samples.tokens.cs}\n${Buffer.alloc(32, 7).toString("base64")}\n`
      Fs.writeFileSync(path, text, { mode: 0o600 })
      const current = Effect.gen(function*() {
        const home = yield* Home.make({ directory: Path.join(directory, "home") })
        const keys = yield* Effect.provideService(KeyFile.make(path), Home.Home, home)
        return yield* keys.current
      })
      yield* everyCase([text], { path, isDamaged: always, act: [current], beside: () => Fs.readdirSync(directory) })
    }), PATIENCE)
})
