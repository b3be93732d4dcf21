import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as GnomeKeyring from "@lockstep/testkit/processes/GnomeKeyring"
import * as Effect from "effect/Effect"
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assertOne, examine, seeded } from "../support/Doctor.js"
import * as Stage from "../support/Stage.js"

describe("stores of other kinds", () => {
  it.scopedLive("explains a store that was chosen differently than before", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const trace = (tenant: string) => ({
        [tenant]: {
          store: "file",
          at: 1_790_000_000,
          by: "agent 12",
          before: { store: "keyring", at: 1, by: "agent 11" }
        }
      })
      const drift = { version: 1, tenants: { ...trace("codex"), ...trace("lost") } }
      writeFileSync(join(stage.harness.home, "drift.json"), JSON.stringify(drift), { mode: 0o600 })
      const { findings, of, problems } = yield* examine(stage)
      assertOne(problems, /drift: lost was kept in the store keyring until agent 12 chose file for it .*, and is not/)
      assert.match(of("drift")[0]!, /^remark: codex was kept in the store keyring .*; it is logged in there by now/)
      assert.include(
        findings.find(({ tenant }) => tenant === "lost")!.advice,
        "`lockstep login --issuer URL --client-id ID --tenant lost`"
      )
    }))

  it.scopedLive("says to use the other store only where that would not be refused", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const before = { store: "keyring", at: 1, by: "agent 11" }
      const drift = { version: 1, tenants: { lost: { store: "file", at: 1_790_000_000, by: "agent 12", before } } }
      const note = () => writeFileSync(join(stage.harness.home, "drift.json"), JSON.stringify(drift), { mode: 0o600 })
      const advice = Effect.map(examine(stage), ({ findings }) => findings.find(({ code }) => code === "drift")!.advice)
      note()
      assert.notInclude(yield* advice, "--store keyring")
      assert.strictEqual((yield* stage.run(["token", "lost", "--store", "keyring"])).code, 6)
      for (const name of readdirSync(stage.harness.home)) rmSync(join(stage.harness.home, name))
      note()
      assert.include(
        yield* advice,
        "say `--store keyring`, or log in anew with `lockstep login --issuer URL --client-id ID --tenant lost`"
      )
    }))

  it.scopedLive("finds a move that was cut off, until it is finished", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const note = { version: 1, from: "file", to: "secrets", at: 1_790_000_000, by: "lockstep.js 12" }
      writeFileSync(join(stage.harness.home, "move.json"), JSON.stringify(note), { mode: 0o600 })
      const { findings, problems } = yield* examine(stage)
      assertOne(
        problems,
        /move: a move from file to secrets by lockstep\.js 12 was cut off: both stores may hold tokens/
      )
      const { advice } = findings.find(({ code }) => code === "move_unfinished")!
      assert.match(advice, /`lockstep store move --to secrets`.*`lockstep store move --to file`/)
      assert.strictEqual((yield* stage.run(["store", "move", "--to", "file"])).code, 0)
      assert.deepStrictEqual((yield* examine(stage)).problems, [])
      writeFileSync(join(stage.harness.home, "move.json"), "{", { mode: 0o600 })
      assertOne((yield* examine(stage)).problems, /move: .*move\.json is damaged/)
    }))

  const encrypted = Effect.gen(function*() {
    const stage = yield* Stage.make()
    const keyFile = join(dirname(stage.harness.home), "lockstep.key")
    writeFileSync(keyFile, `${Buffer.alloc(32, 7).toString("base64")}\n`, { mode: 0o600 })
    const env = { LOCKSTEP_STORE: "secrets", LOCKSTEP_SECRETS_KEY_FILE: keyFile }
    const input = JSON.stringify({ access_token: FakeToken.make("at"), expires_in: 3600 })
    const ran = yield* stage.run(["import", "codex", "--from", "-"], { env, input })
    assert.strictEqual(ran.code, 0, ran.stderr)
    return { stage, keyFile, env }
  })

  it.scopedLive("looks for the key of an encrypted store, and makes none", () =>
    Effect.gen(function*() {
      const { env, keyFile, stage } = yield* encrypted
      assert.deepStrictEqual((yield* examine(stage, env)).problems, [])
      chmodSync(keyFile, 0o640)
      assert.isTrue((yield* examine(stage, env)).problems.some((one) => /lockstep\.key is open to others/.test(one)))
      chmodSync(keyFile, 0o600)
      writeFileSync(keyFile, `${Buffer.alloc(32, 8).toString("base64")}\n`)
      const other = yield* examine(stage, env)
      assert.match(other.of("key_missing")[0]!, /auth\.json\.sealed is sealed with key [0-9a-f]{16}, which .* does not/)
      rmSync(keyFile)
      const gone = yield* examine(stage, env)
      assert.lengthOf(gone.of("key_missing"), 1)
      assert.isFalse(existsSync(keyFile))
    }))

  it.scopedLive("names a keyring that is not there, and goes on", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const env = {
        LOCKSTEP_STORE: "keyring",
        DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(dirname(stage.harness.home), "no-bus")}`,
        DISPLAY: ""
      }
      const { of, report } = yield* examine(stage, env)
      assert.lengthOf(of("keyring_trouble"), 1, JSON.stringify(report))
      assert.match(of("keyring_trouble")[0]!, /^problem: the keyring .* is not usable: Absent/)
      assert.isTrue(report.checks.some(({ check }) => check === "network"))
      assert.isFalse(existsSync(stage.harness.home))
    }))

  if (!GnomeKeyring.isInstalled) GnomeKeyring.explain()
  it.scopedLive.skipIf(!GnomeKeyring.isInstalled)(
    "tells what ails a real keyring, and what lies in it that nothing refers to",
    () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const gnome = yield* GnomeKeyring.make
        const env = { ...gnome.environment, LOCKSTEP_STORE: "keyring" }
        const login = JSON.stringify({ access_token: FakeToken.make("at"), expires_in: 3600 })
        const ran = yield* stage.run(["import", "codex", "--from", "-"], { env, input: login })
        assert.strictEqual(ran.code, 0, ran.stderr)
        const well = yield* examine(stage, env)
        assert.deepStrictEqual([well.problems, well.of("keyring_leftovers")], [[], []])

        const index = join(stage.harness.home, "auth.json.keyring")
        const named = readFileSync(index, "utf8")
        // As if the index of another day had been restored.
        writeFileSync(index, named.replace(/"write_id": "\w+"/, `"write_id": "${"0".repeat(16)}"`), { mode: 0o600 })
        const lost = yield* examine(stage, env)
        assert.match(
          lost.of("keyring_leftovers")[0]!,
          /^remark: the keyring .* holds 1 entry of this home that nothing/
        )
        writeFileSync(index, named, { mode: 0o600 })
        // As a version leaves it that takes a login out and knows nothing of what is handed on.
        const handedOn = join(`${index}.next`, "gone")
        mkdirSync(`${index}.next`, { recursive: true, mode: 0o700 })
        for (const name of ["codex", "gone"]) writeFileSync(join(`${index}.next`, name), "", { mode: 0o600 })
        const over = yield* examine(stage, env)
        assertOne(over.of("keyring_leftovers"), /\/gone hands on a login that is not here any more; it is sealed/)
        assert.strictEqual(
          over.findings.find(({ code }) => code === "keyring_leftovers")!.advice,
          `remove it: \`rm ${handedOn}\``
        )
        rmSync(handedOn)

        const ailing = [
          [gnome.lock, /is not usable: Locked/, /gnome-keyring-daemon --unlock/],
          [gnome.freeze, /is not usable: Timeout/, /LOCKSTEP_KEYRING_TIMEOUT/],
          [gnome.kill, /is not usable: (Absent|Unavailable)/, /start/]
        ] as const
        for (const [ail, what, advice] of ailing) {
          yield* ail
          const { findings, of } = yield* examine(stage, { ...env, LOCKSTEP_KEYRING_TIMEOUT: "3s" })
          assert.lengthOf(of("keyring_trouble"), 1)
          assert.match(of("keyring_trouble")[0]!, what)
          assert.match(findings.find(({ code }) => code === "keyring_trouble")!.advice, advice)
        }
        yield* gnome.restart
        assert.deepStrictEqual((yield* examine(stage, env)).problems, [])
      }),
    120_000
  )

  it.scopedLive("examines the file of another tool, and leaves its directory to the tool", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const directory = join(dirname(stage.harness.home), "pi")
      const file = join(directory, "auth.json")
      mkdirSync(directory, { mode: 0o755 })
      chmodSync(directory, 0o755)
      const expires = Date.now() + 3_600_000
      const login = { type: "oauth", refresh: FakeToken.make("rt"), access: FakeToken.make("at"), expires }
      writeFileSync(file, JSON.stringify({ anthropic: login }), { mode: 0o600 })
      const before = readFileSync(file, "utf8")
      const args = ["--offline", "--store", `pi:${file}`]
      const { problems, report } = yield* examine(stage, {}, args)
      assert.deepStrictEqual(problems, [])
      assert.strictEqual(report.store, "pi")
      chmodSync(file, 0o644)
      assertOne((yield* examine(stage, {}, args)).problems, /files: .*pi\/auth\.json is open to others/)
      assert.strictEqual(readFileSync(file, "utf8"), before)
    }))
})

describe("a pin that cannot be used", () => {
  const pinOf = (stage: Stage.Stage) => JSON.parse(readFileSync(join(stage.harness.home, "store.json"), "utf8"))
  const repin = (stage: Stage.Stage, change: Readonly<Record<string, unknown>>) => {
    const path = join(stage.harness.home, "store.json")
    const text = JSON.stringify({ ...pinOf(stage), ...change })
    writeFileSync(path, text)
    return text
  }
  const repair = ["--offline", "--repair"]

  it.scopedLive("is found, and replaced where that is asked for: what failed works again", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const open = join(dirname(stage.harness.home), "open")
      mkdirSync(open)
      chmodSync(open, 0o777)
      const file = join(open, "file")
      writeFileSync(file, "")
      const healthy = pinOf(stage)
      for (const directory of [open, file]) {
        const text = repin(stage, { lock_dir: directory })
        assert.strictEqual((yield* stage.run(["refresh", "codex"])).code, 4)
        const { findings, problems } = yield* examine(stage)
        assertOne(problems, /^pin: .*store\.json cannot be used: it has the locks in /)
        const advice = findings.find(({ code }) => code === "pin_unusable")!.advice
        assert.include(advice, "`lockstep doctor --repair")
        // Looking changes nothing.
        assert.strictEqual(readFileSync(join(stage.harness.home, "store.json"), "utf8"), text)
        const repaired = yield* examine(stage, {}, repair)
        assert.deepStrictEqual(repaired.problems, [])
        assert.lengthOf(repaired.of("pin_repaired"), 1)
        assert.deepStrictEqual(pinOf(stage), healthy)
        assert.strictEqual((yield* stage.run(["refresh", "codex"])).code, 0)
      }
    }))

  it.scopedLive("that is damaged is replaced where the files tell which store the home has, and nowhere else", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const healthy = pinOf(stage)
      const path = join(stage.harness.home, "store.json")
      for (const damage of ["", "{", "{\"store\":\"file\"}"]) {
        writeFileSync(path, damage)
        assertOne((yield* examine(stage)).problems, /^pin: .*store\.json cannot be used: it is damaged/)
        const { of, problems } = yield* examine(stage, {}, repair)
        assert.deepStrictEqual([problems, of("pin_repaired").length], [[], 1])
        assert.deepStrictEqual(pinOf(stage), healthy)
      }
      writeFileSync(path, "{")
      writeFileSync(`${stage.file}.sealed`, "", { mode: 0o600 })
      assert.isNotEmpty((yield* examine(stage, {}, repair)).problems)
      assert.strictEqual(readFileSync(path, "utf8"), "{")
    }))

  it.scopedLive("is left alone where another process can use it", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const locks = join(dirname(stage.harness.home), "locks")
      for (const change of [{ lock_dir: locks }, { host: "another" }]) {
        const text = repin(stage, change)
        const { of } = yield* examine(stage, {}, repair)
        assert.deepStrictEqual([...of("pin_unusable"), ...of("pin_repaired")], [])
        assert.strictEqual(readFileSync(join(stage.harness.home, "store.json"), "utf8"), text)
      }
    }))

  it.scopedLive("is replaced by no other that cannot be used", () =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const open = join(dirname(stage.harness.home), "open")
      mkdirSync(open)
      chmodSync(open, 0o777)
      const text = repin(stage, { lock_dir: open })
      const { findings, problems } = yield* examine(stage, { LOCKSTEP_LOCK_DIR: open }, repair)
      assert.isTrue(problems.some((one) => one.startsWith(`pin: cannot lock at ${open}`)), problems.join("\n"))
      assert.isTrue(findings.some(({ advice }) => advice.includes("unset LOCKSTEP_LOCK_DIR")))
      assert.strictEqual(readFileSync(join(stage.harness.home, "store.json"), "utf8"), text)
    }))
})
