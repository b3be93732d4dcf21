import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { type ChildProcess, spawn } from "node:child_process"
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  writeFileSync
} from "node:fs"
import * as Net from "node:net"
import { join } from "node:path"
import { setImmediate } from "node:timers/promises"
import * as KeeperStage from "./support/KeeperStage.js"
import * as Stage from "./support/Stage.js"

const prints = { prints: true }

const TOKEN = "/v1/tenants/codex/token"

describe("lockstep serve", () => {
  it.scopedLive("says in one line where it listens, on a socket of its user's own, and refreshes once for all", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const keeper = yield* KeeperStage.serve(stage)
      assert.strictEqual(keeper.where.socket, join(stage.harness.home, "serve.sock"))
      const stat = lstatSync(keeper.where.socket)
      assert.isTrue(stat.isSocket())
      assert.strictEqual(stat.mode & 0o777, 0o600)
      const answers = yield* Effect.all(
        Array.from({ length: 24 }, () => keeper.ask(TOKEN)),
        { concurrency: "unbounded" }
      )
      const tokens = new Set(answers.map((answer) => KeeperStage.tokenOf(answer).access_token))
      assert.strictEqual(tokens.size, 1)
      const { access_token: stored, expires_at: expiresAt } = (yield* stage.stored())!
      const [first] = answers
      const { expires_in: expiresIn, ...rest } = KeeperStage.tokenOf(first!)
      assert.deepStrictEqual(rest, {
        access_token: stored as string,
        token_type: "Bearer",
        expires_at: expiresAt as number,
        tenant: "codex",
        generation: 2,
        store: stage.file
      })
      assert.isNumber(expiresIn)
      assert.strictEqual(first!.headers["cache-control"], "no-store")
      assert.lengthOf(stage.server.requests, 1)
      const ran = yield* keeper.end()
      assert.strictEqual(ran.code, 143)
      assert.strictEqual(ran.stdout, `${JSON.stringify({ socket: keeper.where.socket, url: null })}\n`)
      assert.strictEqual(ran.stderr, "")
      assert.isFalse(existsSync(keeper.where.socket))
      assert.isFalse(existsSync(join(stage.harness.home, "serve.json")))
    }))

  it.scopedLive("is one for a home: a second one says which process is there", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const keeper = yield* KeeperStage.serve(stage)
      const second = yield* stage.run(["serve"])
      Stage.assertTold(second, 2, new RegExp(`has a keeper already: .*\\b${keeper.child.pid}\\b.*serve\\.sock`))
      const other = yield* stage.run(["serve", "--socket", join(stage.harness.home, "other.sock"), "--json"])
      Stage.assertToldAsJson(other, 2, "KeeperUnavailable", "Running")
      assert.strictEqual((yield* keeper.ask(TOKEN)).status, 200)
    }))

  it.scopedLive("takes the place of one that was killed, and of nothing that is no socket of its user's", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const first = yield* KeeperStage.serve(stage)
      yield* first.child.signal("SIGKILL")
      yield* first.child.exit
      assert.isTrue(existsSync(first.where.socket), "a keeper that is killed leaves its socket")
      const second = yield* KeeperStage.serve(stage)
      assert.strictEqual((yield* second.ask(TOKEN)).status, 200)
      yield* second.end()
      const file = join(stage.harness.home, "serve.sock")
      writeFileSync(file, "mine")
      Stage.assertTold(yield* stage.run(["serve"]), 2, /is there, and no socket/)
      assert.strictEqual(readFileSync(file, "utf8"), "mine")
    }))

  it.scopedLive("listens where it is told, and leaves a link in the home by which clients find it", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const path = join(stage.harness.environment["HOME"]!, "run", "k.sock")
      const keeper = yield* KeeperStage.serve(stage, ["--socket", path])
      assert.strictEqual(keeper.where.socket, path)
      assert.strictEqual(statSync(join(path, "..")).mode & 0o777, 0o700)
      assert.isTrue(lstatSync(join(stage.harness.home, "serve.sock")).isSymbolicLink())
      const ran = yield* stage.run(["token", "codex"], prints)
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.deepInclude(KeeperStage.audit(stage)[0], { event: "answer", who: "user", client: "lockstep", status: 200 })
      yield* keeper.end()
      assert.notInclude(readdirSync(stage.harness.home), "serve.sock")
    }))

  it.scopedLive("refuses a directory for its socket that others can write", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      Stage.assertTold(
        yield* stage.run(["serve", "--socket", "/tmp/lockstep-test.sock"]),
        2,
        /is no place for a socket/
      )
      const long = join(stage.harness.home, "x".repeat(120))
      Stage.assertTold(yield* stage.run(["serve", "--socket", long]), 2, /ENAMETOOLONG/)
    }))

  it.scopedLive("ends on SIGTERM: takes nothing new on, and stores what a refresh brings that was sent", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const gate = yield* Deferred.make<void>()
      yield* stage.server.script(ServerBehaviour.heldBack(gate))
      const keeper = yield* KeeperStage.serve(stage, ["--grace", "1h"], {
        LOCKSTEP_REDEEM_LIMIT: "10m",
        LOCKSTEP_LOCK_TIMEOUT: "20m"
      })
      const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\nLockstep-Client: tests\r\n\r\n`
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => Net.connect(keeper.where.socket)),
        (one) => Effect.sync(() => one.destroy())
      )
      let told = ""
      socket.on("data", (chunk: Buffer) => (told += chunk.toString()))
      socket.write(request(TOKEN))
      const asked = yield* Effect.fork(keeper.ask(TOKEN))
      yield* Queue.take(stage.server.arrivals)
      yield* KeeperStage.signsOfLife(keeper.own, TOKEN, 1)
      yield* keeper.child.signal("SIGTERM")
      yield* Effect.repeat(keeper.ask("/v1/tenants"), { until: ({ status }) => status === 0 })
      // On a connection that is busy more can be asked: it is refused as well.
      socket.write(request("/v1/tenants?late"))
      yield* Effect.repeat(Effect.promise(() => setImmediate()), {
        until: () => KeeperStage.audit(stage).some(({ error }) => error === "Ending")
      })
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.async<void>((resume) => {
        if (socket.closed) resume(Effect.void)
        else socket.once("close", () => resume(Effect.void))
      })
      assert.deepStrictEqual(told.match(/^HTTP\/1\.1 2\d\d/gm), ["HTTP/1.1 200"])
      const token = KeeperStage.tokenOf(yield* Fiber.join(asked))
      assert.strictEqual((yield* stage.finish(keeper.child)).code, 143)
      assert.strictEqual((yield* stage.stored())!["access_token"], token.access_token)
      assert.lengthOf(stage.server.requests, 1)
    }))

  it.scopedLive("ends its streams of events when it ends", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const keeper = yield* KeeperStage.serve(stage)
      const events = yield* Effect.fork(keeper.ask("/v1/events"))
      yield* Effect.repeat(Effect.promise(() => setImmediate()), { until: () => KeeperStage.audit(stage).length > 0 })
      yield* stage.run(["token", "codex"], prints)
      yield* stage.run(["logout", "codex", "--local"])
      yield* keeper.end()
      const { status, text } = yield* Fiber.join(events)
      assert.strictEqual(status, 200, "ended, and not cut")
      assert.match(text, /event: rotated\ndata: \{"tenant":"codex","generation":2,"expires_at":\d+\}\n\n/)
      assert.lengthOf(text.match(FakeToken.PATTERN) ?? [], 0)
    }))
})

describe("a keeper of a service manager", () => {
  const isLinux = process.platform === "linux"

  /** Hands a socket that listens to the keeper as its third descriptor, as systemd does. */
  const activated = (stage: Stage.Stage, path: string, names: string) =>
    Effect.gen(function*() {
      const server = yield* Effect.acquireRelease(
        Effect.async<Net.Server>((resume) => {
          const one = Net.createServer()
          one.listen(path, () => resume(Effect.succeed(one)))
        }),
        (one) => Effect.sync(() => one.close())
      )
      const { fd } = (server as unknown as { readonly _handle: { readonly fd: number } })._handle
      return yield* Effect.acquireRelease(
        Effect.async<{ readonly child: ChildProcess; readonly where: KeeperStage.Listening }>((resume) => {
          const child = spawn("sh", [
            "-c",
            "LISTEN_PID=$$ exec \"$@\"",
            "sh",
            process.execPath,
            stage.bin,
            "serve",
            "--json"
          ], {
            env: { ...stage.harness.environment, LISTEN_FDS: "1", LISTEN_FDNAMES: names },
            stdio: ["ignore", "pipe", "inherit", fd]
          })
          // This process would take connections, too, and its closing takes the name away.
          renameSync(path, `${path}.kept`)
          server.close(() => renameSync(`${path}.kept`, path))
          child.stdout!.once("data", (chunk: Buffer) =>
            resume(Effect.succeed({ child, where: JSON.parse(chunk.toString()) as KeeperStage.Listening })))
        }),
        ({ child }) =>
          Effect.async<void>((resume) => {
            child.once("exit", () =>
              resume(Effect.void))
            child.kill("SIGTERM")
          })
      )
    })

  it.scopedLive.skipIf(!isLinux)(
    "listens on the socket that it was handed, and leaves it and the way to it",
    () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        yield* stage.seed({ left: 3600 })
        const path = join(stage.harness.environment["HOME"]!, "handed.sock")
        yield* Effect.scoped(Effect.gen(function*() {
          const { where } = yield* activated(stage, path, "lockstep.socket")
          assert.strictEqual(where.socket, path)
          assert.strictEqual((yield* KeeperStage.ask({ socketPath: path }, TOKEN)).status, 200)
          assert.strictEqual(readlinkSync(join(stage.harness.home, "serve.sock")), path)
        }))
        assert.isTrue(lstatSync(join(stage.harness.home, "serve.sock")).isSymbolicLink())
      })
  )

  it.scopedLive.skipIf(!isLinux)(
    "wants a key at a socket that was handed over for others",
    () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        yield* stage.seed({ left: 3600 })
        const path = join(stage.harness.environment["HOME"]!, "shared.sock")
        const { where } = yield* activated(stage, path, "shared")
        assert.deepInclude({ ...where } as object, { socket: null, agent_socket: path })
        assert.strictEqual((yield* KeeperStage.ask({ socketPath: path }, TOKEN)).status, 401)
      })
  )
})

describe("a keeper that runs for long", () => {
  const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length
  const resident = (pid: number): number =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1])

  it.scopedLive.skipIf(process.platform !== "linux")(
    "holds no more descriptors and memory after thousands of requests",
    () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        yield* stage.seed({ left: 3600 })
        const keeper = yield* KeeperStage.serve(stage)
        const load = (round: string) =>
          Effect.forEach(
            Array.from({ length: 1_000 }, (_, index) => index),
            (index) =>
              keeper.ask(
                index % 10 === 0 ? `/v1/tenants/${round}-${index}/token` : index % 10 === 1 ? "/v1/tenants" : TOKEN
              ),
            { concurrency: 16, discard: true }
          )
        yield* load("a")
        yield* load("b")
        const before = { fds: descriptors(keeper.child.pid), kib: resident(keeper.child.pid) }
        for (const round of ["c", "d", "e"]) yield* load(round)
        const after = { fds: descriptors(keeper.child.pid), kib: resident(keeper.child.pid) }
        assert.isAtMost(after.fds, before.fds + 8)
        // What 3,000 requests leave behind would be seen: 10 KiB of each are 30 MiB.
        assert.isAtMost(after.kib, before.kib + 30 * 1_024)
      })
  )
})

describe("a keeper, for a person who looks", () => {
  const finding = (ran: Stage.Ran, code: string) => {
    const { checks } = JSON.parse(ran.stdout) as {
      readonly checks: ReadonlyArray<{ check: string; findings: ReadonlyArray<Record<string, string>> }>
    }
    return checks.find(({ check }) => check === "keeper")!.findings.find((one) => one["code"] === code)
  }

  it.scopedLive("is shown by status, and looked after by the doctor: there, stopped, killed", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const doctor = stage.run(["doctor", "--offline", "--json"])
      const before = yield* doctor
      assert.notInclude((yield* stage.run(["status"])).stdout, "kept by")
      const { child, where } = yield* KeeperStage.serve(stage)
      assert.include((yield* stage.run(["status"])).stdout, `kept by process ${child.pid}, at ${where.socket}`)
      assert.deepInclude(JSON.parse((yield* stage.run(["status", "--json"])).stdout), {
        keeper: { pid: child.pid, socket: where.socket, url: null }
      })
      const beside = yield* doctor
      assert.strictEqual(beside.code, before.code, beside.stdout)
      assert.include(finding(beside, "keeper")!["message"], `process ${child.pid} keeps`)
      yield* child.signal("SIGSTOP")
      yield* child.stopped
      const stopped = yield* doctor
      assert.strictEqual(stopped.code, 1)
      assert.include(finding(stopped, "keeper_silent")!["advice"], `kill -CONT ${child.pid}`)
      yield* child.signal("SIGKILL")
      yield* child.exit
      assert.notInclude((yield* stage.run(["status"])).stdout, "kept by")
      assert.include(finding(yield* doctor, "keeper_gone")!["message"], where.socket)
      writeFileSync(join(stage.harness.home, "agents.json"), "{", { mode: 0o600 })
      assert.include(finding(yield* doctor, "agent_keys")!["message"], "agents.json")
    }))
})

describe("the audit of a keeper", () => {
  it.scopedLive("has a line for every answer, with the fingerprint of the token and without the token", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { accessToken } = yield* stage.seed({ left: 3600 })
      const keeper = yield* KeeperStage.serve(stage)
      yield* keeper.ask(TOKEN)
      yield* keeper.ask("/v1/tenants/other/token")
      yield* keeper.ask("/v1/tenants")
      yield* keeper.ask(TOKEN, { bare: true })
      const [first, second, third, fourth] = KeeperStage.audit(stage)
      const { createHash } = yield* Effect.promise(() => import("node:crypto"))
      assert.deepInclude(first, {
        event: "answer",
        who: "user",
        pid: process.pid,
        client: "tests",
        method: "GET",
        path: TOKEN,
        status: 200,
        tenant: "codex",
        token: createHash("sha256").update(accessToken).digest("hex").slice(0, 12)
      })
      assert.deepInclude(second, { status: 404, tenant: "other", error: "ReauthorizationRequired(NotFound)" })
      assert.deepInclude(third, { status: 200, path: "/v1/tenants" })
      assert.deepInclude(fourth, { event: "refused", door: "own", error: "HeaderMissing" })
      assert.lengthOf(readFileSync(KeeperStage.auditPath(stage), "utf8").match(FakeToken.PATTERN) ?? [], 0)
      assert.strictEqual(statSync(KeeperStage.auditPath(stage)).mode & 0o777, 0o600)
    }))

  it.scopedLive("is made before the answer: where it cannot be written, no token leaves", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      // Standard error is a full disk, and the rest of the command writes nothing there.
      const child = yield* stage.harness.spawn({
        program: "bash",
        args: ["-c", `exec "$NODE" "$BIN" serve --json --audit - 2> /dev/full`],
        env: { NODE: process.execPath, BIN: stage.bin }
      })
      const { socket } = yield* child.message((message) => "socket" in message)
      const answer = yield* KeeperStage.ask({ socketPath: socket as string }, TOKEN)
      assert.strictEqual(answer.status, 500)
      assert.strictEqual(KeeperStage.problemOf(answer).reason, "Audit")
      assert.lengthOf(answer.text.match(FakeToken.PATTERN) ?? [], 0)
      // A command that gets this goes on by itself.
      assert.strictEqual((yield* stage.run(["token", "codex"], prints)).code, 0)
      yield* child.signal("SIGTERM")
      yield* child.exit
    }))
})

describe("agents of a keeper", () => {
  const key = (path: string) => ({ Authorization: `Bearer ${readFileSync(path, "utf8").trim()}` })

  const withAgents = Effect.gen(function*() {
    const stage = yield* Stage.make()
    yield* stage.seed({ tenant: "mcp:a", left: 3600 }, { tenant: "mcp:b", left: 3600 }, { tenant: "codex", left: 3600 })
    const out = (name: string) => join(stage.harness.environment["HOME"]!, name)
    const agents = join(stage.harness.environment["HOME"]!, "run", "agents.sock")
    const keeper = yield* KeeperStage.serve(stage, ["--agent-socket", agents, "--port", "0"])
    const add = (name: string, ...args: ReadonlyArray<string>) =>
      Effect.map(
        stage.run(["agent", "add", name, "--out", out(name), ...args]),
        (ran) => {
          assert.strictEqual(ran.code, 0, ran.stderr)
          return out(name)
        }
      )
    const doors: ReadonlyArray<KeeperStage.Place> = [{ socketPath: agents }, keeper.tcp!]
    return { stage, keeper, agents, add, out, doors }
  })

  it.scopedLive("need a key at every door but the user's own, and get what its patterns name", () =>
    Effect.gen(function*() {
      const { add, doors, keeper, stage } = yield* withAgents
      const file = yield* add("ci", "--tenant", "mcp:*")
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      for (const door of doors) {
        const bare = yield* KeeperStage.ask(door, "/v1/tenants/mcp%3Aa/token")
        assert.strictEqual(bare.status, 401)
        assert.strictEqual(bare.headers["www-authenticate"], "Bearer realm=\"lockstep\"")
        const wrong = yield* KeeperStage.ask(door, "/v1/tenants", {
          headers: { Authorization: "Bearer lsk_000000000000_x" }
        })
        assert.strictEqual(KeeperStage.problemOf(wrong).reason, "KeyRefused")
        const headers = key(file)
        for (const name of ["mcp:a", "mcp:b"]) {
          const path = `/v1/tenants/${encodeURIComponent(name)}/token`
          const answer = KeeperStage.tokenOf(yield* KeeperStage.ask(door, path, { headers }))
          assert.strictEqual(answer.access_token, (yield* stage.stored(name))!["access_token"])
          assert.notProperty(answer, "store")
        }
        const foreign = yield* KeeperStage.ask(door, TOKEN, { headers })
        const absent = yield* KeeperStage.ask(door, "/v1/tenants/mcp%3Anone/token", { headers })
        assert.strictEqual(foreign.status, 404)
        assert.strictEqual(
          foreign.text.replaceAll("codex", "X"),
          absent.text.replaceAll("mcp:none", "X"),
          "what is not for it is not there"
        )
        const { tenants } = KeeperStage.jsonOf<{ tenants: ReadonlyArray<{ tenant: string }> }>(
          yield* KeeperStage.ask(door, "/v1/tenants", { headers })
        )
        assert.deepStrictEqual(tenants.map(({ tenant }) => tenant), ["mcp:a", "mcp:b"])
        assert.strictEqual(
          (yield* KeeperStage.ask(door, "/v1/tenants/mcp%3Aa/refresh", { method: "POST", headers })).status,
          403
        )
      }
      // A key narrows what its holder may ask for, on the user's own socket, too.
      assert.strictEqual((yield* keeper.ask(TOKEN, { headers: key(file) })).status, 404)
      assert.strictEqual((yield* keeper.ask(TOKEN)).status, 200)
      assert.lengthOf(stage.server.requests, 0)
      const lines = KeeperStage.audit(stage).filter(({ who }) => who === "agent:ci")
      assert.isAbove(lines.length, 8)
    }))

  it.scopedLive("are refused when their time is over and when they are removed, streams included", () =>
    Effect.gen(function*() {
      const { add, doors: [door], keeper, out, stage } = yield* withAgents
      const brief = yield* add("brief", "--tenant", "codex", "--expires", "1s")
      const kept = yield* add("kept", "--tenant", "codex")
      const status = (file: string) =>
        Effect.map(KeeperStage.ask(door!, TOKEN, { headers: key(file) }), (answer) => answer.status)
      yield* Effect.repeat(status(brief), { until: (code) => code === 401 })
      assert.strictEqual(yield* status(kept), 200)
      const listed = yield* stage.run(["agent", "list", "--json"])
      assert.deepStrictEqual(
        (JSON.parse(listed.stdout) as { agents: ReadonlyArray<{ name: string }> }).agents.map(({ name }) => name),
        ["brief", "kept"]
      )
      assert.notMatch(listed.stdout, /lsk_/)
      const stream = yield* Effect.fork(KeeperStage.ask(door!, "/v1/events", { headers: key(kept) }))
      yield* Effect.repeat(Effect.promise(() => setImmediate()), {
        until: () => KeeperStage.audit(stage).some(({ path }) => path === "/v1/events")
      })
      assert.strictEqual((yield* stage.run(["agent", "remove", "kept"])).code, 0)
      assert.strictEqual(yield* status(kept), 401)
      // What happens next ends the stream, and is not told to it.
      assert.strictEqual((yield* keeper.ask("/v1/tenants/codex/refresh", { method: "POST" })).status, 200)
      const { status: ended, text } = yield* Fiber.join(stream)
      assert.strictEqual(ended, 200, "ended, and not cut")
      assert.notInclude(text, "rotated")
      Stage.assertTold(yield* stage.run(["agent", "remove", "kept"]), 2, /no agent/)
      Stage.assertTold(
        yield* stage.run(["agent", "add", "again", "--tenant", "codex", "--out", out("kept")]),
        2,
        /a file is there already/
      )
      assert.notInclude((yield* stage.run(["agent", "list"])).stdout, "again")
    }))

  it.scopedLive("hear what happens to the logins that their key opens, and of no other", () =>
    Effect.gen(function*() {
      const { add, doors: [door], keeper, stage } = yield* withAgents
      const headers = key(yield* add("ears", "--tenant", "mcp:*"))
      const stream = yield* Effect.fork(KeeperStage.ask(door!, "/v1/events", { headers }))
      yield* Effect.repeat(Effect.promise(() => setImmediate()), {
        until: () => KeeperStage.audit(stage).some(({ path }) => path === "/v1/events")
      })
      for (const tenant of ["codex", "mcp:a"]) {
        const path = `/v1/tenants/${encodeURIComponent(tenant)}/refresh`
        assert.strictEqual((yield* keeper.ask(path, { method: "POST" })).status, 200)
      }
      // By then the keeper itself has seen both: a stream of its user's begins with what is known.
      yield* keeper.end()
      const { text } = yield* Fiber.join(stream)
      assert.notInclude(text, "codex")
    }))

  it.scopedLive("show their key as a bearer's, as a container's, as a user's of an address, and in Google's shape", () =>
    Effect.gen(function*() {
      const { add, doors: [, door], stage } = yield* withAgents
      const secret = readFileSync(yield* add("one", "--tenant", "codex"), "utf8").trim()
      const token = (yield* stage.stored("codex"))!["access_token"] as string
      const forms = [
        `Bearer ${secret}`,
        `bearer  ${secret}`,
        secret,
        `Basic ${Buffer.from(`x:${secret}`).toString("base64")}`
      ]
      for (const Authorization of forms) {
        assert.strictEqual(
          KeeperStage.tokenOf(yield* KeeperStage.ask(door!, TOKEN, { headers: { Authorization } })).access_token,
          token
        )
      }
      const accounts = "/computeMetadata/v1/instance/service-accounts"
      const flavor = { "Metadata-Flavor": "Google" }
      for (const account of ["default", "codex"]) {
        const answer = yield* KeeperStage.ask(door!, `/agent/${secret}${accounts}/${account}/token`, {
          headers: flavor,
          bare: true
        })
        assert.strictEqual(answer.headers["metadata-flavor"], "Google")
        const { expires_in: left, ...rest } = KeeperStage.jsonOf<Record<string, unknown>>(answer)
        assert.deepStrictEqual(rest, { access_token: token, token_type: "Bearer" })
        assert.isNumber(left)
      }
      const foreign = yield* KeeperStage.ask(door!, `/agent/${secret}${accounts}/mcp:a/token`, {
        headers: flavor,
        bare: true
      })
      assert.strictEqual(foreign.status, 404)
      const bare = yield* KeeperStage.ask(door!, `/agent/${secret}${accounts}/default/token`, { bare: true })
      assert.strictEqual(KeeperStage.problemOf(bare).reason, "HeaderMissing")
      assert.notInclude(readFileSync(KeeperStage.auditPath(stage), "utf8"), secret)
    }))
})
