/**
 * A keeper that is asked by programs of others as they are shipped, by the examples of docs/serve.md, and that a real
 * service manager starts.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import * as Net from "node:net"
import { join } from "node:path"
import * as KeeperStage from "./support/KeeperStage.js"
import * as Clients from "./support/OtherClients.js"
import * as Stage from "./support/Stage.js"

Clients.explain()

const PAGE = readFileSync(new URL("../../../docs/serve.md", import.meta.url), "utf8")

const example = (language: string, member: string): string => {
  const found = [...PAGE.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(([, tag, code]) =>
    tag === language && code!.includes(member)
  )
  assert.lengthOf(found, 1, member)
  return found[0]![2]!
}

const TOKEN = "/v1/tenants/codex/token"

/** An expired login, a keeper with every door, and an agent's key. */
const make = Effect.gen(function*() {
  const stage = yield* Stage.make()
  yield* stage.seed({}, { tenant: "mcp:linear", left: 3600 })
  const user = stage.harness.environment["HOME"]!
  const keeper = yield* KeeperStage.serve(stage, ["--agent-socket", join(user, "run", "agents.sock"), "--port", "0"])
  const add = (name: string, tenant: string) =>
    Effect.map(stage.run(["agent", "add", name, "--tenant", tenant, "--out", join(user, name)]), (ran) => {
      assert.strictEqual(ran.code, 0, ran.stderr)
      return join(user, name)
    })
  const run = (program: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
    Effect.gen(function*() {
      const child = yield* stage.harness.spawn({ program, args, env })
      yield* child.closeStdin
      const { code } = yield* child.exit
      return { code, stdout: yield* child.stdout, stderr: yield* child.stderr }
    })
  const token = Effect.map(stage.stored(), (record) => record!["access_token"] as string)
  return { stage, keeper, user, add, run, token, host: new URL(keeper.where.url!).host }
})

/** As an application of Google's does it: the credentials of this machine, whatever they are. */
const GOOGLE = `
import google.auth
from google.auth.transport import _http_client
credentials, project = google.auth.default()
credentials.refresh(_http_client.Request())
print(credentials.token, credentials.service_account_email, credentials.valid)
`

/** As the SDK does it for every service of it. A keeper gives no key of that cloud, and the provider says so. */
const AWS = `
const { fromHttp } = require("node:module").createRequire(process.argv[1])("@aws-sdk/credential-provider-http")
fromHttp({ maxRetries: 0 })().then(() => "an answer", (error) => error.message).then((told) => console.log(told))
`

describe("a program that knows another way to ask", () => {
  it.scopedLive.skipIf(Clients.googleAuth === undefined)(
    "is Google's client: it finds the keeper, refreshes and names the login by its tenant and not by its person",
    () =>
      Effect.gen(function*() {
        const { add, host, run, stage, token } = yield* make
        yield* stage.change("codex", { account: { id: "a", label: "me@example.com" }, scope: "one two" })
        const address = `${host}/agent/${readFileSync(yield* add("google", "codex"), "utf8")}`
        const asked = yield* run(Clients.googleAuth!, ["-c", GOOGLE], {
          GCE_METADATA_HOST: address,
          // What older releases call it, and where every release looks first whether there is such a server.
          GCE_METADATA_ROOT: address,
          GCE_METADATA_IP: address,
          NO_GCE_CHECK: "false"
        })
        assert.strictEqual(asked.stdout, `${yield* token} codex True\n`, asked.stderr)
        assert.lengthOf(stage.server.requests, 1)
        const lines = KeeperStage.audit(stage).filter(({ who }) => who === "agent:google")
        assert.deepInclude(lines.at(-1), { status: 200, tenant: "codex" })
      })
  )

  it.scopedLive("asks for an account's address and scopes as lines, as the clients of Go and of a shell do", () =>
    Effect.gen(function*() {
      const { add, keeper, stage } = yield* make
      yield* stage.change("codex", { scope: "one two" })
      const key = readFileSync(yield* add("lines", "codex"), "utf8")
      const ask = (account: string, what: string) =>
        KeeperStage.ask(keeper.tcp!, `/agent/${key}/computeMetadata/v1/instance/service-accounts/${account}/${what}`, {
          headers: { "Metadata-Flavor": "Google" },
          bare: true
        })
      assert.strictEqual((yield* ask("default", "email")).text, "codex")
      assert.strictEqual((yield* ask("codex", "scopes")).text, "one\ntwo")
      for (const what of ["email", "scopes"]) assert.strictEqual((yield* ask("mcp:linear", what)).status, 404)
    }))

  it.scopedLive.skipIf(Clients.awsProvider === undefined)(
    "is given the file of its key as a container is, and reads it for every request",
    () =>
      Effect.gen(function*() {
        const { add, host, run, stage } = yield* make
        const file = yield* add("first", "codex")
        const ask = run(process.execPath, ["-e", AWS, Clients.awsProvider!], {
          AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://${host}${TOKEN}`,
          AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file
        })
        // It was let in by what it sent and answered: what it misses is the shape of a cloud's own keys.
        assert.include((yield* ask).stdout, "response not of the required format")
        renameSync(yield* add("second", "codex"), file)
        assert.include((yield* ask).stdout, "response not of the required format")
        yield* stage.run(["agent", "remove", "second"])
        assert.include((yield* ask).stdout, "401")
        assert.deepStrictEqual(
          KeeperStage.audit(stage).filter(({ status }) => status === 200).map(({ tenant, who }) => `${who} ${tenant}`),
          ["agent:first codex", "agent:second codex"]
        )
      })
  )
})

describe("docs/serve.md", () => {
  it.scopedLive.skipIf(Clients.python === undefined)(
    "has an example in Python that works at every socket",
    () =>
      Effect.gen(function*() {
        const { add, keeper, run, token } = yield* make
        const key = yield* add("python", "mcp:*")
        const script = `${example("python", "class Keeper")}
import sys
try:
    print(token(sys.argv[1], sys.argv[2], open(sys.argv[3]).read() if len(sys.argv) > 3 else None))
except RuntimeError as error:
    print(error)
`
        const ask = (...args: ReadonlyArray<string>) =>
          Effect.map(run(Clients.python!, ["-c", script, ...args]), ({ stderr, stdout }) => stdout + stderr)
        assert.strictEqual(yield* ask(keeper.where.socket, "codex"), `${yield* token}\n`)
        const shared = keeper.where.agent_socket!
        assert.match(yield* ask(shared, "mcp:linear", key), /^lockstep-at-\S+\n$/)
        assert.match(yield* ask(shared, "codex", key), /^codex is not logged in here, or this key does not open it: /)
      })
  )

  it.scopedLive("has examples with curl that work, in which no key is an argument", () =>
    Effect.gen(function*() {
      const { add, host, keeper, run, stage, user } = yield* make
      renameSync(yield* add("curl", "mcp:linear"), join(user, "ci.key"))
      const code = example("sh", "curl -s --unix-socket")
        .replaceAll("~/.lockstep/serve.sock", keeper.where.socket)
        .replaceAll("127.0.0.1:4711", host)
      const { code: ended, stderr, stdout } = yield* run("bash", ["-euc", `cd "$HOME"; ${code}`])
      assert.strictEqual(ended, 0, stderr)
      const tokens = [...stdout.matchAll(/"access_token":"([^"]+)"/g)].map(([, one]) => one)
      assert.deepStrictEqual(tokens, [
        (yield* stage.stored())!["access_token"],
        (yield* stage.stored("mcp:linear"))!["access_token"]
      ])
    }))
})

describe("launchd", () => {
  it.scopedLive.skipIf(Clients.python === undefined)(
    "is printed a property list that is one, in which every word stays what it is (no launchd runs here)",
    () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const home = join(stage.harness.environment["HOME"]!, "a & <b> \"q\" 'é")
        mkdirSync(home, { mode: 0o700 })
        const printed = yield* stage.run(["serve", "--install", "launchd", "--home", home])
        const child = yield* stage.harness.spawn({
          program: Clients.python!,
          args: ["-c", "import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))"],
          env: {}
        })
        yield* child.write(printed.stdout)
        yield* child.closeStdin
        assert.strictEqual((yield* child.exit).code, 0, yield* child.stderr)
        const { ProgramArguments: words, ...list } = JSON.parse(yield* child.stdout) as {
          readonly [name: string]: unknown
          readonly ProgramArguments: ReadonlyArray<string>
        }
        assert.deepStrictEqual(words.slice(-3), ["serve", "--home", home])
        assert.deepInclude(list, { Label: "lockstep.serve", RunAtLoad: true, Umask: 0o077 })
      })
  )
})

/** Node does not connect to abstract names on every line. */
const ABSTRACT = `
import socket, sys
while True:
    try:
        socket.socket(socket.AF_UNIX).connect("\\0" + sys.argv[1])
        break
    except ConnectionRefusedError:
        pass
`

/** What systemd holds is no place for a keeper: it ends when the first client comes. */
const assertNotBegun = <E, R>(place: string, connect: (stage: Stage.Stage) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function*() {
    const stage = yield* Stage.make()
    yield* stage.seed({ left: 3600 })
    const names = Object.keys(stage.harness.environment).flatMap((name) => ["-E", name])
    const child = yield* stage.harness.spawn({
      program: "systemd-socket-activate",
      args: ["-l", place, ...names, process.execPath, stage.bin, "serve"],
      env: {}
    })
    yield* connect(stage)
    assert.strictEqual((yield* child.exit).code, 2)
    assert.include(yield* child.stderr, "a keeper listens on Unix sockets and on loopback alone")
  })

describe.skipIf(!Clients.hasSystemd)("systemd", () => {
  it.scopedLive("starts a keeper with the first request, on the socket that it holds", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3600 })
      const path = join(stage.harness.environment["HOME"]!, "held.sock")
      // It hands on of its own environment what it is told, and a few names of its own.
      const names = [...Object.keys(stage.harness.environment), "LOCKSTEP_HOME"].flatMap((name) => ["-E", name])
      const child = yield* stage.harness.spawn({
        program: "systemd-socket-activate",
        args: ["-l", path, "--fdname=lockstep.socket", ...names, process.execPath, stage.bin, "serve", "--json"],
        env: { LOCKSTEP_HOME: stage.harness.home }
      })
      const answer = yield* Effect.repeat(KeeperStage.ask({ socketPath: path }, TOKEN), {
        until: ({ status }) => status !== 0
      })
      assert.strictEqual(KeeperStage.tokenOf(answer).access_token, (yield* stage.stored())!["access_token"])
      yield* child.message((message) => message["socket"] === path)
      assert.deepInclude(KeeperStage.audit(stage)[0], { who: "user", pid: process.pid, status: 200 })
      yield* child.signal("SIGTERM")
      assert.strictEqual((yield* child.exit).code, 143)
    }))

  it.scopedLive("has handed over a port of every network: the keeper does not begin", () =>
    Effect.gen(function*() {
      const port = yield* Effect.async<number>((resume) => {
        const one = Net.createServer().listen(0, "0.0.0.0", () => {
          const { port } = one.address() as Net.AddressInfo
          one.close(() => resume(Effect.succeed(port)))
        })
      })
      const connect = Effect.async<boolean>((resume) => {
        const socket = Net.connect(port, "127.0.0.1")
        socket.once("connect", () => resume(Effect.succeed(true)))
        socket.once("error", () => resume(Effect.succeed(false)))
      })
      yield* assertNotBegun(`0.0.0.0:${port}`, () => Effect.repeat(connect, { until: (isConnected) => isConnected }))
    }))

  it.scopedLive.skipIf(Clients.python === undefined)(
    "has handed over an abstract name, which every user could have taken: the keeper does not begin",
    () =>
      assertNotBegun(`@lockstep-${process.pid}`, (stage) =>
        Effect.gen(function*() {
          const child = yield* stage.harness.spawn({
            program: Clients.python!,
            args: ["-c", ABSTRACT, `lockstep-${process.pid}`],
            env: {}
          })
          assert.strictEqual((yield* child.exit).code, 0, yield* child.stderr)
        }))
  )

  it.scopedLive("finds nothing to say of the units that are printed, whatever the home is called", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const user = stage.harness.environment["HOME"]!
      const home = join(user, "a b%n$HOME \"q\" \\t 'é")
      mkdirSync(home, { mode: 0o700 })
      const printed = yield* stage.run(["serve", "--install", "systemd", "--home", home])
      assert.strictEqual(printed.code, 0, printed.stderr)
      const files = printed.stdout.split(/^(?=# ~\/\.config\/systemd\/user\/)/m).map((text) => {
        const path = join(user, /^# \S+\/(\S+)/.exec(text)![1]!)
        writeFileSync(path, text)
        return path
      })
      assert.lengthOf(files, 2)
      const verify = Effect.gen(function*() {
        const child = yield* stage.harness.spawn({
          program: "systemd-analyze",
          args: ["verify", "--user", "--man=no", ...files],
          env: { XDG_RUNTIME_DIR: user }
        })
        yield* child.closeStdin
        return { code: (yield* child.exit).code, stderr: yield* child.stderr }
      })
      assert.deepStrictEqual(yield* verify, { code: 0, stderr: "" })
      // It would say something.
      writeFileSync(files[1]!, readFileSync(files[1]!, "utf8").replace("Type=notify", "Type=other"))
      assert.match((yield* verify).stderr, /service type/i)
    }))
})
