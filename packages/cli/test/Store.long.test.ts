import { assert, describe, it } from "@effect/vitest"
import * as GnomeKeyring from "@lockstep/testkit/processes/GnomeKeyring"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Stage from "./support/Stage.js"

const fake = /lockstep-(at|rt)-/

/** The files of the home, also in its directories, in which a token can be read. */
const readable = (stage: Stage.Stage): ReadonlyArray<string> =>
  fs.readdirSync(stage.harness.home, { recursive: true, encoding: "utf8" }).filter((name) => {
    const path = join(stage.harness.home, name)
    return fs.statSync(path).isFile() && fake.test(fs.readFileSync(path, "latin1"))
  })

const pinOf = (stage: Stage.Stage): unknown =>
  JSON.parse(fs.readFileSync(join(stage.harness.home, "store.json"), "utf8")).store

const json = (ran: Stage.Ran): Record<string, unknown> => {
  assert.strictEqual(ran.code, 0, ran.stderr + ran.stdout)
  return JSON.parse(ran.stdout)
}

/** A login of the server as `import` takes it. */
const login = (stage: Stage.Stage): string => {
  const { accessToken, refreshToken } = stage.server.issue()
  return JSON.stringify({
    access_token: accessToken,
    refresh_token: refreshToken,
    token_endpoint: stage.server.tokenEndpoint,
    client_id: "lockstep-tests",
    expires_in: 3600
  })
}

describe("lockstep store", () => {
  it.scopedLive("shows which store is used, where it is and what decided, and creates nothing", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const shown = json(yield* stage.run(["store", "--json"]))
      assert.deepInclude(shown, { store: "file", chosen_by: "default", pinned: null, unfinished_move: null })
      assert.isFalse(fs.existsSync(stage.harness.home))
      const env = { LOCKSTEP_STORE: "secrets" }
      assert.deepInclude(json(yield* stage.run(["store", "--json"], { env })), {
        store: "secrets",
        chosen_by: "environment",
        location: join(stage.harness.home, "auth.json.sealed")
      })
      const text = yield* stage.run(["store", "--store", "keyring"])
      assert.match(text.stdout, /^keyring: the keyring .*, as --store says\n$/)
    }))

  it.scopedLive("needs to be told what to do with secrets, and where to move to", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      Stage.assertTold(yield* stage.run(["secrets"]), 2, /a command is missing/)
      Stage.assertTold(yield* stage.run(["store", "move"]), 2, /--to/)
      Stage.assertTold(yield* stage.run(["store", "move", "--to", "vault"]), 2, /--to/)
      Stage.assertTold(yield* stage.run(["store", "move", "--to", "file", "--store", "openab:/x.json"]), 2, /openab/i)
    }))

  it.scopedLive("moves to an encrypted file and back, with a key from a file", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { accessToken } = yield* stage.seed({ left: 3600 })
      const keyFile = join(stage.harness.home, "..", "lockstep.key")
      fs.writeFileSync(keyFile, `${Buffer.alloc(32, 7).toString("base64")}\n`, { mode: 0o600 })
      const env = { LOCKSTEP_SECRETS_KEY_FILE: keyFile }
      const moved = json(yield* stage.run(["store", "move", "--to", "secrets", "--json"], { env }))
      assert.deepInclude(moved, { from: "file", to: "secrets", tenants: ["codex"], pending: 0, finished: false })
      assert.strictEqual(pinOf(stage), "secrets")
      assert.deepStrictEqual(readable(stage), [])
      assert.strictEqual((yield* stage.run(["token", "codex"], { env, prints: true })).stdout, `${accessToken}\n`)
      const status = json(yield* stage.run(["status", "--json"], { env }))
      assert.deepInclude((status["tenants"] as ReadonlyArray<object>)[0], { tenant: "codex", store: "secrets" })
      assert.match((yield* stage.run(["status"], { env })).stdout, /codex +fresh .* secrets/)
      const rotated = yield* stage.run(["secrets", "rotate-key"], { env })
      assert.strictEqual(rotated.code, 0, rotated.stderr)
      assert.strictEqual((yield* stage.run(["token", "codex"], { env, prints: true })).stdout, `${accessToken}\n`)

      const again = yield* stage.run(["store", "move", "--to", "secrets"], { env })
      assert.match(again.stdout, /^the store is secrets already/)
      const back = yield* stage.run(["store", "move", "--to", "file"], { env })
      assert.match(back.stdout, /^1 login moved from secrets to file: /)
      assert.strictEqual((yield* stage.run(["token", "codex"], { prints: true })).stdout, `${accessToken}\n`)
      assert.deepStrictEqual(readable(stage), ["auth.json"])
      Stage.assertTold(
        yield* stage.run(["secrets", "rotate-key"]),
        2,
        /only the stores secrets and postgres have a key/
      )
    }))

  it.scopedLive("an encrypted home without its key file asks for that file, and speaks of no keyring that it never had", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const keyFile = join(stage.harness.home, "..", "lockstep.key")
      fs.writeFileSync(keyFile, `${Buffer.alloc(32, 7).toString("base64")}\n`, { mode: 0o600 })
      const moved = yield* stage.run(["store", "move", "--to", "secrets"], {
        env: { LOCKSTEP_SECRETS_KEY_FILE: keyFile }
      })
      assert.strictEqual(moved.code, 0, moved.stderr)
      const ran = yield* stage.run(["token", "codex"])
      Stage.assertTold(
        ran,
        6,
        /is locked \(it is sealed with key [0-9a-f]{16}, which no key file and no keyring gives\)/
      )
      assert.include(ran.stderr, "set LOCKSTEP_SECRETS_KEY_FILE to the key that it was sealed with")
      assert.notMatch(ran.stderr, /D-Bus|dbus|session bus/i)
      // After a move the pin is the move's, and no first write's.
      const shown = yield* stage.run(["store"], { env: { LOCKSTEP_SECRETS_KEY_FILE: keyFile } })
      assert.match(shown.stdout, /^secrets: .*auth\.json\.sealed, as this home is pinned\n$/)
    }))

  it.scopedLive("the other kind than the home's stops every command", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      for (const args of [["token", "codex"], ["refresh", "codex"], ["store"], ["logout", "--all"]]) {
        const ran = yield* stage.run([...args, "--store", "secrets"])
        Stage.assertTold(ran, 6, /its store is file, and this process was told secrets/)
        assert.include(ran.stderr, "lockstep store move --to secrets")
      }
    }))
})

describe("auto", () => {
  it.scopedLive("takes the file where no keyring is, and the next process stays with it", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const env = { LOCKSTEP_STORE: "auto" }
      const ran = yield* stage.run(["import", "codex", "--from", "-"], { env, input: login(stage) })
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.strictEqual(pinOf(stage), "file")
      assert.deepInclude(json(yield* stage.run(["store", "--json"], { env })), {
        store: "file",
        chosen_by: "pin",
        automatic: true
      })
    }))

  if (!GnomeKeyring.isInstalled) GnomeKeyring.explain()
  describe.skipIf(!GnomeKeyring.isInstalled)("with a real keyring", () => {
    it.scopedLive("keeps a login there, finds it again without being told, and moves it out", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const gnome = yield* GnomeKeyring.make
        const env = { ...gnome.environment, LOCKSTEP_STORE: "auto" }
        const ran = yield* stage.run(["import", "codex", "--from", "-"], { env, input: login(stage) })
        assert.strictEqual(ran.code, 0, ran.stderr)
        assert.strictEqual(pinOf(stage), "keyring")
        assert.deepStrictEqual(readable(stage), [])
        const plain = gnome.environment
        assert.match((yield* stage.run(["token", "codex"], { env: plain, prints: true })).stdout, /^lockstep-at-/)
        const refreshed = yield* stage.run(["refresh", "codex"], { env: plain })
        assert.strictEqual(refreshed.code, 0, refreshed.stderr)
        assert.match((yield* stage.run(["status"], { env: plain })).stdout, /codex +fresh .* keyring/)
        assert.deepStrictEqual(readable(stage), [])

        const moved = yield* stage.run(["store", "move", "--to", "secrets"], { env: plain })
        assert.match(moved.stdout, /^1 login moved from keyring to secrets/, moved.stderr)
        assert.strictEqual((yield* stage.run(["refresh", "codex"], { env: plain })).code, 0)
        assert.strictEqual((yield* stage.run(["secrets", "rotate-key"], { env: plain })).code, 0)
        assert.deepStrictEqual(readable(stage), [])
        assert.strictEqual((yield* stage.run(["store", "move", "--to", "file"], { env: plain })).code, 0)
        assert.deepStrictEqual(readable(stage), ["auth.json"])
        assert.match((yield* stage.run(["token", "codex"], { prints: true })).stdout, /^lockstep-at-/)
      }))

    it.scopedLive("stops at a locked one, and writes nothing", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const gnome = yield* GnomeKeyring.make
        yield* gnome.lock
        const env = { ...gnome.environment, LOCKSTEP_STORE: "auto" }
        const ran = yield* stage.run(["import", "codex", "--from", "-", "--json"], { env, input: login(stage) })
        Stage.assertToldAsJson(ran, 6, "CredentialStoreError", "Locked")
        assert.isFalse(fs.existsSync(stage.harness.home))
      }))

    it.scopedLive("tells once when it found something else than before", () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const gnome = yield* GnomeKeyring.make
        const env = { ...gnome.environment, LOCKSTEP_STORE: "auto" }
        yield* stage.run(["import", "codex", "--from", "-"], { env, input: login(stage) })
        const quiet = yield* stage.run(["token", "codex"], { env, prints: true })
        assert.strictEqual(quiet.stderr, "")
        // As in a container that has the home and no session.
        fs.rmSync(join(stage.harness.home, "store.json"))
        const without = { LOCKSTEP_STORE: "auto" }
        const told = yield* stage.run(["token", "codex"], { env: without })
        assert.strictEqual(told.code, 3)
        assert.match(told.stderr, /codex was kept in the store keyring and is now looked for in file/)
        assert.notMatch((yield* stage.run(["token", "codex"], { env: without })).stderr, /was kept in the store/)
        const shown = json(yield* stage.run(["store", "--json"], { env: without }))
        assert.deepInclude((shown["drift"] as ReadonlyArray<object>)[0], {
          tenant: "codex",
          from: "keyring",
          to: "file"
        })
        const imported = yield* stage.run(["import", "codex", "--from", "-"], { env: without, input: login(stage) })
        assert.strictEqual(imported.code, 0)
        assert.deepStrictEqual(json(yield* stage.run(["store", "--json"], { env: without }))["drift"], [])
      }))
  })
})

describe("the file of another tool", () => {
  it.scopedLive("is read, refreshed, shown, left and filled in place; our own settings stay in our home", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { accessToken, refreshToken } = stage.server.issue()
      const directory = join(stage.harness.home, "..", "openab")
      fs.mkdirSync(directory, { mode: 0o700 })
      const path = join(directory, "auth.json")
      const foreign = "\"theirs\": {\"client_id\":  \"c\", \"token_received_at\": 18446744073709551615}"
      fs.writeFileSync(
        path,
        `{ ${foreign}, "codex": ${
          JSON.stringify({
            access_token: accessToken,
            refresh_token: refreshToken,
            token_endpoint: stage.server.tokenEndpoint,
            provider: "codex",
            expires_at: Math.floor(Date.now() / 1000) - 60
          })
        } }`,
        { mode: 0o600 }
      )
      const at = ["--store", `openab:${path}`]
      const token = yield* stage.run(["token", "codex", ...at], { prints: true })
      assert.match(token.stdout, /^lockstep-at-/, token.stderr)
      assert.notStrictEqual(token.stdout.trim(), accessToken)
      assert.lengthOf(stage.server.requests, 1)
      const status = json(yield* stage.run(["status", "--json", ...at]))
      assert.deepInclude((status["tenants"] as ReadonlyArray<object>)[0], { tenant: "codex", store: "openab" })
      assert.strictEqual((yield* stage.run(["refresh", "codex", ...at])).code, 0)
      const child = yield* stage.run(["exec", "codex", ...at, "--", "sh", "-c", "test -n \"$LOCKSTEP_TOKEN\""])
      assert.strictEqual(child.code, 0, child.stderr)
      assert.strictEqual((yield* stage.run(["logout", "codex", "--local", ...at])).code, 0)
      assert.strictEqual((yield* stage.run(["import", "codex", "--from", "-", ...at], { input: login(stage) })).code, 0)
      assert.match((yield* stage.run(["token", "codex", ...at], { prints: true })).stdout, /^lockstep-at-/)
      assert.include(fs.readFileSync(path, "utf8"), foreign)
      const secret = yield* stage.run(["vendors", "secret", "gemini", "--from", "-", ...at], { input: "s3cret\n" })
      assert.strictEqual(secret.code, 0, secret.stderr)
      assert.isFalse(fs.existsSync(join(directory, "vendors.json")))
      assert.isTrue(fs.existsSync(join(stage.harness.home, "vendors.json")))
      assert.isFalse(fs.existsSync(join(directory, "store.json")))
    }))
})
