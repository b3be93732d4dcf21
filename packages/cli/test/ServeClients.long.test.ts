import { assert, describe, it } from "@effect/vitest"
import * as KeeperWire from "@lockstep/serve/KeeperWire"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { mkdirSync, readFileSync } from "node:fs"
import * as Http from "node:http"
import { join } from "node:path"
import * as KeeperStage from "./support/KeeperStage.js"
import * as Stage from "./support/Stage.js"

const prints = { prints: true }

/** What a command of the start asked the keeper for. */
const asked = (stage: Stage.Stage) =>
  KeeperStage.audit(stage).filter(({ client }) => client === "lockstep").map(({ path, status }) => `${path} ${status}`)

/** A home that no keeper is of, for a client that has nothing. */
const elsewhere = (stage: Stage.Stage): string => {
  const path = join(stage.harness.environment["HOME"]!, "sandbox")
  mkdirSync(path, { mode: 0o700, recursive: true })
  return path
}

describe("a command beside a keeper", () => {
  it.scopedLive("has it refresh, and prints in every form what the keeper answers", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      yield* KeeperStage.serve(stage)
      const ran = yield* stage.run(["token", "codex", "--json"], prints)
      const { access_token: stored } = (yield* stage.stored())!
      const { expires_in: _, ...rest } = JSON.parse(ran.stdout) as Record<string, unknown>
      assert.deepStrictEqual(rest, {
        access_token: stored,
        token_type: "Bearer",
        expires_at: (yield* stage.stored())!["expires_at"],
        tenant: "codex",
        account: null,
        source: "stored",
        generation: 2,
        store: stage.file
      })
      assert.deepStrictEqual(asked(stage), ["/v1/tenants/codex/token 200"])
      // What is stored and fresh is read faster than asked for.
      assert.strictEqual((yield* stage.run(["token", "codex"], prints)).stdout, `${stored as string}\n`)
      assert.lengthOf(asked(stage), 1)
      const long = yield* stage.run(["token", "codex", "--min-ttl", "2h"], prints)
      assert.strictEqual(long.code, 0)
      assert.deepStrictEqual(asked(stage).slice(1), ["/v1/tenants/codex/token 200"])
      assert.lengthOf(stage.server.requests, 2)
    }))

  it.scopedLive("brings it a token that was rejected, and prints another one", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { accessToken } = yield* stage.seed({ left: 3600 })
      yield* KeeperStage.serve(stage)
      const ran = yield* stage.run(["token", "codex", "--rejected-stdin"], { ...prints, input: `${accessToken}\n` })
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.strictEqual(ran.stdout.trim(), (yield* stage.stored())!["access_token"])
      assert.notStrictEqual(ran.stdout.trim(), accessToken)
      assert.deepStrictEqual(asked(stage), ["/v1/tenants/codex/rejected 200"])
      assert.lengthOf(stage.server.requests, 1)
    }))

  it.scopedLive("runs a command with the token in its environment, and ends with its exit code", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      yield* KeeperStage.serve(stage)
      const line = ["exec", "codex", "--env", "T", "--", "sh", "-c", "printf %s \"$T\"; exit 7"]
      const ran = yield* stage.run(line, prints)
      assert.strictEqual(ran.code, 7, ran.stderr)
      assert.strictEqual(ran.stdout, (yield* stage.stored())!["access_token"])
      assert.deepStrictEqual(asked(stage), ["/v1/tenants/codex/token 200"])
      Stage.assertTold(
        yield* stage.run(["exec", "codex", "--", "/does/not/exist"]),
        2,
        /could not be started \(ENOENT\)/
      )
      const ended = yield* stage.run(["exec", "codex", "--", "sh", "-c", "kill -TERM $$"])
      assert.strictEqual(ended.code, 143)
    }))

  it.scopedLive("goes on by itself where the keeper was killed, and where it is stopped", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const { child } = yield* KeeperStage.serve(stage)
      yield* child.signal("SIGSTOP")
      yield* child.stopped
      const beside = yield* stage.run(["token", "codex"], prints)
      assert.strictEqual(beside.code, 0, beside.stderr)
      assert.strictEqual(beside.stderr, "")
      assert.strictEqual(beside.stdout.trim(), (yield* stage.stored())!["access_token"])
      yield* child.signal("SIGKILL")
      yield* child.exit
      const after = yield* stage.run(["token", "codex", "--min-ttl", "2h"], prints)
      assert.strictEqual(after.code, 0, after.stderr)
      const exec = yield* stage.run(["exec", "codex", "--min-ttl", "3h", "--", "true"])
      assert.strictEqual(exec.code, 0, exec.stderr)
    }))

  it.scopedLive("waits for a refresh that takes long, as long as the keeper shows that it lives", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const gate = yield* Deferred.make<void>()
      yield* stage.server.script(ServerBehaviour.heldBack(gate))
      const keeper = yield* KeeperStage.serve(stage)
      const child = yield* stage.start(["token", "codex"])
      yield* Queue.take(stage.server.arrivals)
      // By then a client has waited for longer than it takes silence for a sign of life.
      const signs = Math.ceil(KeeperWire.SILENCE / KeeperWire.SIGN_OF_LIFE) + 2
      yield* KeeperStage.signsOfLife(keeper.own, "/v1/tenants/codex/token", signs)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* stage.finish(child, prints)).code, 0)
      assert.deepStrictEqual(asked(stage), ["/v1/tenants/codex/token 200"])
      assert.lengthOf(stage.server.requests, 1)
    }))

  it.scopedLive("tells errors in the same words and with the same exit code as without it", () =>
    Effect.gen(function*() {
      const cases = [
        { name: "refused", behaviour: ServerBehaviour.refused("invalid_grant"), code: 3 },
        { name: "unavailable", behaviour: ServerBehaviour.html(503), code: 5 },
        { name: "limited", behaviour: ServerBehaviour.rateLimited({ "Retry-After": "3600" }), code: 5 },
        { name: "client", behaviour: ServerBehaviour.refused("invalid_client", 401), code: 5 }
      ]
      for (const { behaviour, code, name } of cases) {
        const told: Array<Stage.Ran> = []
        for (const isKept of [false, true]) {
          for (const format of [[], ["--json"]]) {
            const stage = yield* Stage.make()
            yield* stage.seed({})
            yield* stage.server.script(behaviour, behaviour)
            if (isKept) yield* KeeperStage.serve(stage)
            const ran = yield* stage.run(["token", "codex", ...format])
            if (isKept) assert.lengthOf(asked(stage), 1, name)
            assert.strictEqual(ran.code, code, `${name}: ${ran.stderr}${ran.stdout}`)
            // How long to wait has jitter.
            const text = (one: string) =>
              one.replaceAll(stage.harness.home, "HOME").replace(/"retry_after":[\d.]+/, "\"retry_after\":…")
            told.push({ code: ran.code, stdout: text(ran.stdout), stderr: text(ran.stderr) })
          }
        }
        assert.deepStrictEqual(told.slice(2), told.slice(0, 2), name)
      }
    }))

  it.scopedLive("does not ask it for another home, another store or other locks than its own", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const { where } = yield* KeeperStage.serve(stage)
      const env = { LOCKSTEP_SERVE: `unix:${where.socket}` }
      const other = yield* stage.run(["token", "codex", "--home", elsewhere(stage)], { env })
      Stage.assertTold(other, 3, /codex is not logged in \(looked in .*sandbox/)
      const store = yield* stage.run(["token", "codex"], { env: { ...env, LOCKSTEP_STORE: "keyring" } })
      assert.notStrictEqual(store.code, 0)
      assert.lengthOf(stage.server.requests, 0)
      // A client that was told the kind of store in the keeper's own terms is answered, and one that was told another is not.
      for (const [kind, status] of [["secrets", 409], ["file", 404]] as const) {
        const headers = { "Lockstep-Store": kind }
        assert.strictEqual(
          (yield* KeeperStage.ask({ socketPath: where.socket }, "/v1/tenants/none/token", { headers })).status,
          status
        )
      }
      // The first write pins the home, and with it where its locks are.
      assert.strictEqual((yield* stage.run(["token", "codex"], { ...prints, env })).code, 0)
      const elsewhereLocked = { LOCKSTEP_LOCK_DIR: elsewhere(stage) }
      const locks = yield* stage.run(["token", "codex", "--min-ttl", "2h"], { env: elsewhereLocked })
      Stage.assertTold(locks, 4, /lock/)
      const exec = yield* stage.run(["exec", "codex", "--min-ttl", "2h", "--", "true"], { env: elsewhereLocked })
      Stage.assertTold(exec, 4, /lock/)
      assert.lengthOf(stage.server.requests, 1)
    }))
})

describe("a command whose keeper answers what was not asked for", () => {
  /** A program at a socket that answers every request with one document. */
  const answering = (path: string, body: unknown) =>
    Effect.acquireRelease(
      Effect.async<Http.Server>((resume) => {
        const one = Http.createServer((_, response) => {
          const text = JSON.stringify(body)
          response.writeHead(200, { "Content-Length": Buffer.byteLength(text) }).end(text)
        })
        one.listen(path, () => resume(Effect.succeed(one)))
      }),
      (one) => Effect.sync(() => one.close())
    )

  it.scopedLive("prints none of it: another login's token, one with a line break, the one that was rejected", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { accessToken } = yield* stage.seed({ left: 3600 })
      const told = { access_token: "x", token_type: "Bearer", tenant: "codex", generation: 9 }
      const place = (name: string) => join(stage.harness.environment["HOME"]!, `${name}.sock`)
      const asking = (name: string, more: Stage.Circumstances = {}) => ({
        ...prints,
        ...more,
        env: { LOCKSTEP_SERVE: `unix:${place(name)}` }
      })
      yield* answering(place("rejected"), { ...told, access_token: accessToken })
      const other = yield* stage.run(
        ["token", "codex", "--rejected-stdin"],
        asking("rejected", { input: `${accessToken}\n` })
      )
      assert.strictEqual(other.code, 0, other.stderr)
      assert.notStrictEqual(other.stdout.trim(), accessToken)
      const answers = {
        login: { ...told, tenant: "other" },
        line: { ...told, access_token: "x\ny" },
        type: { ...told, token_type: "Bearer\u0007" },
        shape: { ...told, generation: "9" }
      }
      for (const [name, answer] of Object.entries(answers)) {
        yield* answering(place(name), answer)
        const ran = yield* stage.run(["token", "codex"], asking(name))
        assert.strictEqual(ran.code, 0, ran.stderr)
        assert.strictEqual(ran.stdout.trim(), (yield* stage.stored())!["access_token"], name)
      }
      assert.lengthOf(stage.server.requests, 1)
    }))
})

describe("a command that has nothing but the address of a keeper", () => {
  const sandbox = Effect.gen(function*() {
    const stage = yield* Stage.make()
    yield* stage.seed({}, { tenant: "mcp:a" })
    const agents = join(stage.harness.environment["HOME"]!, "run", "agents.sock")
    const file = join(stage.harness.environment["HOME"]!, "key")
    const keeper = yield* KeeperStage.serve(stage, ["--agent-socket", agents, "--port", "0"])
    yield* stage.run(["agent", "add", "box", "--tenant", "codex", "--out", file])
    const inside = (address: string, more: Readonly<Record<string, string>> = {}) => ({
      env: {
        LOCKSTEP_HOME: "",
        HOME: elsewhere(stage),
        LOCKSTEP_SERVE: address,
        LOCKSTEP_SERVE_KEY_FILE: file,
        ...more
      }
    })
    return { stage, keeper, agents, file, inside }
  })

  it.scopedLive("gets a token by its key, over a socket and over a port", () =>
    Effect.gen(function*() {
      const { agents, inside, keeper, stage } = yield* sandbox
      for (const address of [`unix:${agents}`, keeper.where.url!]) {
        const ran = yield* stage.run(["token", "codex"], { ...prints, ...inside(address) })
        assert.strictEqual(ran.code, 0, ran.stderr)
        assert.strictEqual(ran.stdout.trim(), (yield* stage.stored())!["access_token"])
        const json = yield* stage.run(["token", "codex", "--json"], { ...prints, ...inside(address) })
        assert.deepInclude(JSON.parse(json.stdout), { tenant: "codex", generation: null, store: null })
        const exec = yield* stage.run(
          ["exec", "codex", "--", "sh", "-c", "test -n \"$LOCKSTEP_TOKEN\""],
          inside(address)
        )
        assert.strictEqual(exec.code, 0, exec.stderr)
      }
      assert.lengthOf(stage.server.requests, 1)
    }))

  it.scopedLive("is told what is wrong with its key, its address and its wishes", () =>
    Effect.gen(function*() {
      const { agents, inside, stage } = yield* sandbox
      const run = (
        args: ReadonlyArray<string>,
        more: Readonly<Record<string, string>> = {},
        address = `unix:${agents}`
      ) => stage.run(args, inside(address, more))
      Stage.assertTold(yield* run(["token", "mcp:a"]), 3, /not logged in here, or this key does not open it/)
      Stage.assertTold(yield* run(["token", "codex"], { LOCKSTEP_SERVE_KEY_FILE: "" }), 2, /an agent's key is needed/)
      Stage.assertTold(
        yield* run(["token", "codex"], { LOCKSTEP_SERVE_KEY_FILE: "/none" }),
        2,
        /cannot be read \(ENOENT\)/
      )
      Stage.assertTold(yield* run(["token", "codex"], {}, "http://example.com"), 2, /LOCKSTEP_SERVE/)
      Stage.assertTold(yield* run(["token", "codex"], {}, "unix:@abstract"), 2, /LOCKSTEP_SERVE/)
      Stage.assertToldAsJson(yield* run(["token", "mcp:a", "--json"]), 3, "ReauthorizationRequired", "NotFound")
      yield* stage.run(["agent", "remove", "box"])
      Stage.assertTold(yield* run(["token", "codex"]), 2, /the key is none of this home's agents/)
      // Without a keeper it is on its own, and says so as always.
      Stage.assertTold(yield* run(["token", "codex"], {}, "unix:/nowhere"), 3, /codex is not logged in \(looked in/)
      assert.lengthOf(stage.server.requests, 0)
    }))
})

describe("the start of the command", () => {
  it.scopedLive("loads nothing of the keeper where none was named and none is there", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const start = readFileSync(join(stage.bin, "..", "..", "dist", "start.js"), "utf8")
      assert.include(start, "./keeper.js")
      assert.notInclude(start, "node:net", "asking is behind a file of its own")
    }))
})
