import { assert, describe, it } from "@effect/vitest"
import * as Host from "@lockstep/core/Host"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as LockDirectory from "@lockstep/testkit/homes/LockDirectory"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import { isEvent } from "@lockstep/testkit/processes/LockProcesses"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Cp from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ProcFs from "../src/internal/procfs.js"

const encode = Schema.encodeSync(Host.ProcessIdentity)

const canUnshare = Cp.spawnSync("unshare", ["--pid", "--fork", "true"], { stdio: "ignore" }).status === 0
if (!canUnshare) process.stderr.write("the test of two pid namespaces is skipped: this user may not make one\n")

describe("NodeHost", () => {
  it.effect("ids are unique, and the hash is SHA-256", () =>
    Effect.gen(function*() {
      const host = yield* Host.Host
      const [one, two] = [yield* host.newId, yield* host.newId]
      assert.match(one, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      assert.notStrictEqual(one, two)
      assert.strictEqual(
        host.sha256("abc"),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
      )
    }).pipe(Effect.provide(NodeHost.layer)))

  it.effect("this process is alive; another start or another boot of its pid is dead", () =>
    Effect.gen(function*() {
      const self = NodeHost.self()
      assert.strictEqual(self.pid, process.pid)
      assert.strictEqual(yield* NodeHost.liveness(self), "alive")
      const other = (change: Partial<Host.ProcessIdentity>) =>
        NodeHost.liveness(Host.ProcessIdentity.make({ ...self, ...change }))
      assert.strictEqual(yield* other({ startTime: "1" }), "dead")
      if (process.platform === "linux") assert.strictEqual(yield* other({ bootId: "another" }), "dead")
    }))

  it.effect("of a process elsewhere nothing is known, whatever has its pid here", () =>
    Effect.gen(function*() {
      const self = NodeHost.self()
      assert.isTrue(Option.isSome(self.host))
      const other = (change: Partial<Host.ProcessIdentity>) =>
        NodeHost.liveness(Host.ProcessIdentity.make({ ...self, ...change }))
      for (const elsewhere of [{ host: Option.some("other") }, { pidNamespace: Option.some("pid:[1]") }]) {
        if (process.platform !== "linux" && "pidNamespace" in elsewhere) continue
        assert.strictEqual(yield* other(elsewhere), "unknown")
        assert.strictEqual(yield* other({ ...elsewhere, pid: 2 ** 22 + 1 }), "unknown")
      }
      assert.strictEqual(yield* other({ host: Option.some("other"), bootId: "another" }), "unknown")
      // Records of before do not tell where they were written.
      const old = { host: Option.none(), pidNamespace: Option.none() }
      assert.strictEqual(yield* other(old), "alive")
      assert.strictEqual(yield* other({ ...old, startTime: "1" }), "dead")
    }))

  it.scoped("a process that has ended is dead", () =>
    Effect.gen(function*() {
      const child = yield* ChildProcess.spawn({ program: "sh", args: ["-c", "read line"], env: {} })
      const identity = Host.ProcessIdentity.make({
        ...NodeHost.self(),
        pid: child.pid,
        startTime: Option.match(ProcFs.stat(child.pid), { onNone: () => "0", onSome: ({ startTicks }) => startTicks })
      })
      assert.strictEqual(yield* NodeHost.liveness(identity), "alive")
      yield* child.signal("SIGKILL")
      yield* child.exit
      assert.strictEqual(yield* NodeHost.liveness(identity), "dead")
    }))

  it.scopedLive.skipIf(!canUnshare)(
    "two pid namespaces of one boot take each other's processes for no dead ones",
    () =>
      Effect.gen(function*() {
        const bundle = yield* Bundle.make(new URL("./fixtures/identityWorker.ts", import.meta.url))
        const env = { PATH: process.env["PATH"] ?? "" }
        const self = encode(NodeHost.self())
        const inner = yield* ChildProcess.spawn({
          program: "unshare",
          args: ["--pid", "--fork", "--kill-child", process.execPath, bundle],
          env
        })
        const { identity } = yield* inner.message(isEvent("identity"))
        const theirs = Schema.decodeUnknownSync(Host.ProcessIdentity)(identity)
        assert.strictEqual(theirs.bootId, NodeHost.self().bootId)
        assert.notDeepEqual(theirs.pidNamespace, NodeHost.self().pidNamespace)
        assert.strictEqual(yield* NodeHost.liveness(theirs), "unknown")
        yield* inner.send({ of: "outer", identity: self })
        assert.strictEqual((yield* inner.message(({ of }) => of === "outer"))["liveness"], "unknown")
        yield* inner.send({ of: "itself", identity })
        assert.strictEqual((yield* inner.message(({ of }) => of === "itself"))["liveness"], "alive")
        yield* inner.signal("SIGKILL")
        yield* inner.exit
        // Its namespace is gone, and nothing here tells.
        assert.strictEqual(yield* NodeHost.liveness(theirs), "unknown")
      })
  )

  it.scoped("a command is the name of the program or script, and never an argument", () =>
    Effect.gen(function*() {
      const commandOf = (program: string, ...args: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          const child = yield* ChildProcess.spawn({ program, args, env: {} })
          // The kernel ends the wait for a start before it has put the arguments where /proc shows them.
          yield* child.message(isEvent("runs"))
          return Option.getOrElse(ProcFs.commandOf(child.pid), () => "")
        })
      const node = process.execPath
      const says = `console.log('{"event":"runs"}')`
      assert.strictEqual(yield* commandOf(node, "-e", `${says}; setInterval(() => 'sk-secret', 1e6)`), "node")
      const script = Path.join(yield* LockDirectory.make, "agent.mjs")
      Fs.writeFileSync(script, `${says}; setInterval(() => {}, 1e6)`)
      assert.strictEqual(yield* commandOf(node, script, "--token", "sk-secret"), "agent.mjs")
      const shell = Path.basename(Fs.realpathSync("/bin/sh"))
      assert.strictEqual(yield* commandOf("/bin/sh", "-c", `echo '{"event":"runs"}'; read line`), shell)
      assert.strictEqual(ProcFs.printableName("/opt/\u001b[31mred\u0007"), "?[31mred?")
    }))
})
