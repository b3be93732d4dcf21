import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as KeyRotation from "@lockstep/node/secrets/KeyRotation"
import { credential } from "@lockstep/testkit/contract/credentials"
import { answer, fullRecord } from "@lockstep/testkit/contract/journals"
import { attempt } from "@lockstep/testkit/contract/pendingLogins"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import type { Message } from "@lockstep/testkit/processes/LineProtocol"
import * as StepTracer from "@lockstep/testkit/processes/StepTracer"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as SealedHomes from "../support/sealedHomes.js"
import * as SealedProcesses from "../support/sealedProcesses.js"

const CODEX = TenantId.make("codex")
const LONG = TenantId.make(`mcp:${"日".repeat(60)}`)
const TENANTS = [CODEX, TenantId.make("codex@work"), LONG]

const places = {
  file: Effect.map(SealedHomes.withKeyFile, ({ directory, file }) => ({
    directory,
    place: { keyFile: file } satisfies SealedProcesses.Place
  })),
  keyring: Effect.map(Homes.temporary, (root) => {
    const keyring = Path.join(root, "keyring")
    Fs.mkdirSync(keyring)
    return { directory: Path.join(root, "home"), place: { keyring } satisfies SealedProcesses.Place }
  })
}

interface Place {
  readonly directory: string
  readonly place: SealedProcesses.Place
}

const open = ({ directory, place }: Place) => SealedHomes.open(directory, SealedProcesses.keysOf(place))

/** A home with everything in it that can be sealed. */
const fill = (place: Place, tenants = TENANTS) =>
  Effect.gen(function*() {
    const { journal, pending, store } = yield* open(place)
    const credentials = tenants.map((_, i) => credential(i + 1))
    const answers = tenants.map((tenant) => answer(`of ${tenant}`))
    for (const [i, tenant] of tenants.entries()) {
      yield* store.modify(tenant, () => Change.Put({ credential: credentials[i]!, value: () => undefined }))
      yield* journal.write(tenant, fullRecord(tenant))
      yield* journal.keepAnswer(tenant, answers[i]!)
    }
    yield* pending.put({ tenant: CODEX, user: "local" }, attempt(Math.floor(Date.now() / 1_000)))
    /** Everything is there, for a process that opens the home now. */
    const isWhole = Effect.scoped(Effect.gen(function*() {
      const now = yield* open(place)
      for (const [i, tenant] of tenants.entries()) {
        assert.isTrue(Equal.equals((yield* Effect.flatten(now.store.get(tenant))).credential, credentials[i]))
        assert.isTrue(Equal.equals(yield* now.journal.keptAnswer(tenant), Option.some(answers[i]!)), `of ${tenant}`)
      }
      assert.strictEqual((yield* now.pending.list).length, 1)
      deepStrictEqual(SealedHomes.leaks(place.directory), [])
    }))
    return { isWhole }
  })

const rotate = (opened: SealedHomes.Opened) => Effect.provide(KeyRotation.rotate, opened.context)

/** The ids of the keys that the files of a home name. */
const keysIn = (directory: string): ReadonlyArray<string> => [
  ...new Set(
    [...SealedHomes.snapshot(directory).values()].flatMap((text) =>
      [...text.matchAll(/lockstep-sealed 1 key=(\w+)/g)].map((match) => match[1]!)
    )
  )
]

/** What a rotation does that is still there after a kill. */
const STEPS = /^lockstep\.(keys|rotation)\.|^lockstep\.file\.rename$|^keyring\.(set|remove)$/

const temporaries = (directory: string) => Fs.readdirSync(directory).filter((name) => name.endsWith(".tmp"))

describe.each([["file", places.file], ["keyring", places.keyring]] as const)("keys in a %s", (kind, make) => {
  it.scopedLive("are changed, and everything is sealed with the new one and still there", () =>
    Effect.gen(function*() {
      const place = yield* make
      const { isWhole } = yield* fill(place)
      const running = yield* open(place)
      yield* running.store.list
      const before = keysIn(place.directory)[0]!
      const opened = yield* open(place)
      const rotation = yield* rotate(opened)
      assert.isTrue(rotation.isNew)
      deepStrictEqual(keysIn(place.directory), [rotation.key])
      assert.notStrictEqual(rotation.key, before)
      deepStrictEqual(
        rotation.sealed.map((path) => Path.basename(path)).sort(),
        Fs.readdirSync(place.directory).filter((name) => /sealed$|answer$/.test(name)).sort()
      )
      deepStrictEqual(rotation.left, kind === "file" ? [before] : [])
      yield* isWhole
      deepStrictEqual(temporaries(place.directory), [])
      // Who was running goes on with the new one.
      yield* running.store.modify(CODEX, (current) => Change.Keep({ value: current }))
      yield* running.journal.keepAnswer(CODEX, answer("later"))
      yield* running.pending.put({ tenant: LONG, user: "local" }, attempt(Math.floor(Date.now() / 1_000)))
      deepStrictEqual(keysIn(place.directory), [rotation.key])
    }))

  it.scopedLive("are changed before there is anything", () =>
    Effect.gen(function*() {
      const place = yield* make
      const running = yield* open(place)
      yield* running.store.prepare(CODEX)
      const { key, sealed } = yield* rotate(yield* open(place))
      deepStrictEqual(sealed, [])
      yield* running.journal.keepAnswer(CODEX, answer("first"))
      yield* running.store.modify(CODEX, () => Change.Put({ credential: credential(1), value: () => undefined }))
      deepStrictEqual(keysIn(place.directory), [key])
    }))

  it.scopedLive("are not changed where something is damaged", () =>
    Effect.gen(function*() {
      for (const name of ["auth.json.sealed", "auth.json.refresh.codex.answer"]) {
        const place = yield* make
        yield* fill(place)
        const path = Path.join(place.directory, name)
        const text = Fs.readFileSync(path, "latin1")
        Fs.writeFileSync(path, text.replace(/ key=\w{16}/, ` key=${"0".repeat(16)}`), "latin1")
        if (name.endsWith("answer")) {
          // Its frame is sound; what is sealed in it is not.
          const at = text.indexOf("lockstep-sealed ")
          const body = text.slice(at).replace(/ salt=./, (found) => ` salt=${found.endsWith("A") ? "B" : "A"}`)
          const { keep } = yield* Effect.promise(() => import("@lockstep/node/AnswerFile"))
          yield* keep(path, body)
        }
        const before = [...SealedHomes.snapshot(Path.dirname(place.directory))].filter(([file]) =>
          !file.endsWith(".lock")
        )
        const error = yield* Effect.flip(rotate(yield* open(place)))
        assert.instanceOf(error, CredentialStoreError)
        assert.include(error.message, name)
        deepStrictEqual(
          [...SealedHomes.snapshot(Path.dirname(place.directory))].filter(([file]) => !file.endsWith(".lock")),
          before
        )
      }
    }))

  it.scopedLive(
    "can be read whenever a change of them is killed, and the next one finishes it",
    () =>
      Effect.gen(function*() {
        // One rotation that is watched tells at which steps the others die.
        const steps: Array<StepTracer.Point> = []
        const counts = new Map<string, number>()
        const watched = yield* make
        yield* fill(watched, [LONG])
        yield* rotate(yield* open(watched)).pipe(Effect.provide(StepTracer.layer(({ at, name, within }) => {
          if (!within.includes("lockstep.rotation") || !STEPS.test(name)) return
          const occurrence = (counts.get(`${name} ${at}`) ?? 0) + 1
          counts.set(`${name} ${at}`, occurrence)
          if (at === "start" || /rename$|set$|remove$/.test(name)) {
            steps.push({ span: name, at, occurrence, within: "lockstep.rotation" })
          }
        })))
        assert.isAtLeast(steps.length, kind === "file" ? 8 : 20)
        const names = new Set(steps.map(({ span }) => span))
        for (const name of ["lockstep.keys.renew", "lockstep.rotation.stores", "lockstep.rotation.answer"]) {
          assert.isTrue(names.has(name), name)
        }
        const survive = (die: StepTracer.Point) =>
          Effect.scoped(Effect.gen(function*() {
            const place = yield* make
            const { isWhole } = yield* fill(place, [LONG])
            const child = yield* SealedProcesses.spawn({ home: place.directory, place: place.place, die })
            yield* Effect.forkScoped(Effect.either(child.ask({ do: "rotate" })))
            assert.strictEqual((yield* child.exit).signal, "SIGKILL", JSON.stringify(die))
            yield* isWhole
            const { key } = yield* rotate(yield* open(place))
            yield* isWhole
            deepStrictEqual(keysIn(place.directory), [key])
            deepStrictEqual(temporaries(place.directory), [])
            const root = Path.dirname(place.directory)
            if ("keyring" in place.place) {
              deepStrictEqual(Fs.readdirSync(place.place.keyring).filter((name) => name.endsWith(key)).length, 1)
            } else deepStrictEqual(temporaries(root), [])
          }))
        yield* Effect.forEach(steps, survive, { concurrency: 2, discard: true })
      }),
    240_000
  )

  it.scopedLive(
    "are changed again and again while eight processes refresh",
    () =>
      Effect.gen(function*() {
        const place = yield* make
        const child = () => SealedProcesses.spawn({ home: place.directory, place: place.place })
        const children = yield* Effect.replicateEffect(Effect.suspend(child), 8)
        const done = ({ error, event }: Message) => deepStrictEqual([event, error], ["done", undefined])
        for (const tenant of ["a", "b"]) done(yield* children[0]!.ask({ do: "write", tenant }))
        const rotator = yield* child()
        let rotations = 0
        const rotating = Effect.replicateEffect(
          Effect.map(rotator.ask({ do: "rotate" }), (answer) => {
            done(answer)
            rotations++
          }),
          3
        )
        // Each of them until the last rotation is over, so that every one happens among refreshes.
        const refreshing = Effect.forEach(
          children,
          (one, i) =>
            Effect.repeat(
              Effect.map(one.ask({ do: "refresh", tenant: i % 2 === 0 ? "a" : "b", times: 1 }), done),
              { while: () => rotations < 3 }
            ),
          { concurrency: "unbounded" }
        )
        yield* Effect.all([refreshing, rotating], { concurrency: 2 })
        const { store } = yield* open(place)
        for (const tenant of ["a", "b"]) {
          const { credential } = yield* Effect.flatten(store.get(TenantId.make(tenant)))
          assert.isAbove(credential.generation, 1)
        }
        assert.strictEqual(keysIn(place.directory).length, 1)
        deepStrictEqual(SealedHomes.leaks(place.directory), [])
      }),
    120_000
  )
})
